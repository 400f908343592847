/** The rows of the table of problems that are about the Kubernetes API; problem.ts says what a row is. */
import { changed, soon } from './rows.ts';
export const clusterCodes = {
  ...changed({
    'api-invalid':
      'The API server rejects requests of this version of rcm-node; update the older of the two.',
    'bad-kubeconfig':
      'Correct the kubeconfig, or name another one as cluster.kubeconfig in /etc/rcm-node/config.toml.',
    'needs-restart':
      'Prepare the handler on this node ([runtime] prepare in /etc/rcm-node/config.toml), or let the Shim restart runtimes: rolloutStrategy.scope: restarts.',
    'no-slot':
      'The conditions of the Shim (kubectl describe shim) say what is missing: a controller, or a handler slot-… that is prepared and free on all selected nodes.',
    'cannot-listen':
      'Another program uses this port, or this machine does not have the address: give another one with --listen or --probes.',
  }),
  ...soon({
    'api-unreachable':
      'Check the network, the proxy and the API server; what is served stays, and it is retried with backoff.',
    'api-unauthorized':
      "The API server does not accept this node's credentials: check that the kubelet can still reach it (journalctl -u kubelet), and this node's clock.",
    'api-forbidden':
      'Grant it: kubectl apply -k bootstrap/ installs the ClusterRole and its binding; rcm-node doctor names what is missing.',
    'api-missing':
      'Apply the CustomResourceDefinition (kubectl apply -k bootstrap/), or check that the object still exists.',
    'api-conflict': 'Another client wrote the object at the same moment; it is retried.',
    'api-gone': 'The API server no longer has this resourceVersion; all objects are listed again.',
    'api-busy': 'The API server is overloaded or starting; it is retried later.',
    'no-identity':
      'Start the kubelet, or set cluster.kubeconfig in /etc/rcm-node/config.toml to a kubeconfig of this node.',
    'rollout-pending':
      'The present revision stays in service. kubectl get shims shows the progress of the rollout; rcm-node once --force does not wait.',
  }),
};

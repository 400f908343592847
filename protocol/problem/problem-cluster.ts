/** The rows of the table of problems that are about the Kubernetes API; problem.ts says what a row is. */
import { changed, soon } from './rows.ts';
export const clusterCodes = {
  ...changed({
    'api-invalid':
      'The API server does not understand what this version of rcm-node asks; update the older of the two.',
    'bad-kubeconfig':
      'Correct the kubeconfig, or name another one as cluster.kubeconfig in /etc/rcm-node/config.toml.',
    'cannot-listen':
      'Another program has this port, or it is none of this machine: give another one with --listen or --probes.',
  }),
  ...soon({
    'api-unreachable':
      'Check the network, the proxy and the API server; what is served stays, and it is tried again with growing pauses.',
    'api-unauthorized':
      "The API server does not accept this node's credentials: check that the kubelet can still reach it (journalctl -u kubelet), and this node's clock.",
    'api-forbidden':
      'Grant it: kubectl apply -k bootstrap/ brings the ClusterRole and its binding; rcm-node doctor names what is missing.',
    'api-missing':
      'Apply the CustomResourceDefinition (kubectl apply -k bootstrap/), or check that the object still exists.',
    'api-conflict': 'Someone else wrote the object at the same moment; it is tried again.',
    'api-gone': 'The API server no longer has this version; everything is listed again.',
    'api-busy': 'The API server is overloaded or starting; it is tried again later.',
    'no-identity':
      'Start the kubelet, or set cluster.kubeconfig in /etc/rcm-node/config.toml to a kubeconfig of this node.',
    'rollout-pending':
      'What was served is still served. kubectl get shims shows how far the rollout is; rcm-node once --force does not wait.',
  }),
};

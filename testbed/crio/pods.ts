/** Pods on the stand-in, as a kubelet runs them: with a pause container, or, as most are, without. */
import { CallError } from '../../host/cri/grpc.ts';
import { containerStatus, plainLog, removePod } from '../node/pods.ts';
import { callCri } from '../node/cri.ts';
import type { TestNode } from '../node/test-node.ts';
import type { WasmCase } from './record.ts';

type Namespaces = { readonly network: 2; readonly pid: 0 | 1 };
const counter = { pods: 0 };

export const sandboxConfig = (pid: Namespaces['pid'], annotations: WasmCase['pod_annotations'] = {}) => {
  counter.pods += 1;
  const uid = String(counter.pods);
  const security = { namespace_options: { network: 2, pid } };
  return {
    metadata: { name: `pod-${uid}`, uid, namespace: 'test' },
    log_directory: `/var/log/pods/${uid}`,
    annotations,
    linux: { security_context: security },
  };
};

export const runSandbox = async (node: TestNode, handler: string, config: object, deadlineMs?: number) =>
  (
    await callCri<{ pod_sandbox_id: string }>(
      node.criSocket,
      'RunPodSandbox',
      { config, runtime_handler: handler },
      deadlineMs,
    )
  ).pod_sandbox_id;

/** As crictl prints it. */
export const words = (error: unknown): string => {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  return cause instanceof CallError && cause.status === 'UNKNOWN'
    ? `error: code = Unknown desc = ${cause.message}`
    : 'error: TIMEOUT';
};

/** What the one container of a Pod wrote, or how it failed. */
export const runPodOf = async (node: TestNode, one: Omit<WasmCase, 'config' | 'result'>): Promise<string> => {
  const config = sandboxConfig(one.pid_namespace.startsWith('pod') ? 0 : 1, one.pod_annotations);
  const sandbox = await runSandbox(node, one.handler, config);
  try {
    const { container_id: id } = await callCri<{ container_id: string }>(node.criSocket, 'CreateContainer', {
      pod_sandbox_id: sandbox,
      sandbox_config: config,
      config: {
        metadata: { name: 'main' },
        image: { image: one.image },
        annotations: one.container_annotations,
        log_path: 'main.log',
      },
    });
    await callCri(node.criSocket, 'StartContainer', { container_id: id });
    for (let waited = 0; waited < 40; waited += 1) {
      const { state, exit_code: code } = await containerStatus(node, id);
      const log = plainLog(await node.readFile(`${config.log_directory}/main.log`)).trim();
      if (state === 2) return code === 0 ? log : `exit ${code}: ${log}`;
      if (state === 1 && log.includes('hello from a static program')) return 'running';
    }
    return 'does not end';
  } catch (error) {
    return words(error);
  } finally {
    await removePod(node, sandbox).catch(() => undefined);
  }
};

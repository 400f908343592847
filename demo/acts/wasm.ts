/** Act 3: what the handler is for. The control shows that it is the handler, and nothing else, that runs the module. */
import { importImage, wasmOciImage } from '../../testbed/artifacts/oci.ts';
import { removePod, runPod } from '../../testbed/node/pods.ts';
import { check } from '../disproved.ts';
import type { Stage } from '../stage/stage.ts';
import { annotations, handler } from '../stage/shim-files.ts';

const line = 'hello from wasm\n';

export const actWasm = async (stage: Stage): Promise<void> => {
  const { screen, node } = stage;
  screen.title('3/9  A Pod: a WASI module runs through CRI with that handler, as a kubelet would run it');
  const image = await importImage(node, await wasmOciImage());
  const call = (name: string): string =>
    `CRI: RunPodSandbox(runtime_handler "${name}"), CreateContainer(image "${image}"), StartContainer`;
  screen.call(call(handler));
  const pod = await screen.during('the Pod', () =>
    runPod(node, { handler, image, annotations, wait: 'exited' }),
  );
  screen.output(`${pod.log}(exit code ${pod.exitCode})`);
  await removePod(node, pod.id);
  check(pod.log === line && pod.exitCode === 0, `"${line.trim()}" and exit code 0`, pod);

  screen.call(call('runc'));
  const refused = await screen.during('the same with runc', () =>
    runPod(node, { handler: 'runc', image, annotations, wait: 'exited' }).then(
      async (other) => {
        await removePod(node, other.id);
        return `${other.log}(exit code ${other.exitCode})`;
      },
      (error: unknown) => String(error instanceof Error ? error.message : error),
    ),
  );
  screen.output(refused);
  check(/exec format error/.test(refused), 'runc to refuse the module ("exec format error")', refused);
  screen.proven(
    'The module ran and printed its line; with the default handler the same image does not start.',
  );
};

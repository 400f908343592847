/** Makes beforehand what tests on virtual machines need once, so that they do not wait for it: `node testbed/vm/main.ts`. */
import { provideIgnitionValidate } from '../ignition/validate.ts';
import { prepareMachineOrExit } from '../machine/machine.ts';
import { keptSystem } from './disk.ts';
import { standInKubelet } from './files.ts';
import { vmTools } from './tools.ts';

await prepareMachineOrExit(console.log);
await provideIgnitionValidate(console.log);
await vmTools(console.log);
await keptSystem(standInKubelet, console.log);

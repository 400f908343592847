/**
 * crun with wasmtime and youki with wasmtime, from the sources of package registries. To build them takes long, so this runs where
 * they were built before, and by hand with ENGINES in the environment.
 */
import t from 'tap';
import { builtEngine, builtNames } from '../../testbed/artifacts/built-engines.ts';
import { lifeOf, platforms, skip } from './life.ts';

for (const engineName of builtNames) {
  const wanted = process.env.ENGINES !== undefined && skip === false;
  const engine = await builtEngine(engineName, wanted, (line) => t.comment(line));
  for (const [name, platform] of Object.entries(platforms))
    t.test(
      `${name}: ${engineName} runs a module, and its libraries are nowhere else`,
      { skip: skip || (engine === undefined && 'it is not built here; ENGINES=1 builds it') },
      async (t) => {
        if (engine) await lifeOf(t, platform, engine);
      },
    );
}

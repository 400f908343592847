/** A verbose Status in the shape in which the record has it. */
import type { RecordedHandlers } from './record.ts';

type Told = {
  readonly runtime_handlers: readonly {
    readonly name: string;
    readonly features?: Readonly<Record<string, boolean>> | null;
  }[];
  readonly info: Readonly<Record<string, string>>;
};

type Info = {
  readonly crio: {
    readonly DefaultRuntime: string;
    readonly Runtimes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
};

const recorded = [
  ...['RuntimePath', 'RuntimeType', 'RuntimeRoot', 'MonitorPath', 'MonitorCgroup', 'AllowedAnnotations'],
  ...['ContainerMinMemory', 'PlatformRuntimePaths', 'DefaultAnnotations', 'InheritDefaultRuntime'],
  ...['PrivilegedWithoutHostDevices', 'RuntimePullImage'],
];

export const viewOf = (
  told: Told,
): {
  readonly handlers: readonly string[];
  readonly features: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  readonly verbose: RecordedHandlers;
  readonly default: string;
} => {
  const { crio } = JSON.parse(told.info.config ?? '{}') as Info;
  return {
    handlers: told.runtime_handlers.map(({ name }) => name),
    features: Object.fromEntries(
      told.runtime_handlers.map(({ name, features }) => [
        name,
        Object.fromEntries(Object.entries(features ?? {}).filter(([, has]) => has)),
      ]),
    ),
    default: crio.DefaultRuntime,
    verbose: Object.fromEntries(
      Object.entries(crio.Runtimes).map(([name, handler]) => [
        name,
        Object.fromEntries(
          recorded.flatMap((key) => {
            const value = handler[key];
            return value === '' || value === null || value === false ? [] : [[key, value]];
          }),
        ),
      ]),
    ),
  };
};

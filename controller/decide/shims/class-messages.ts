/** What a person reads of a RuntimeClass that cannot be as its Shim asks for it: why, and what to do. */
import { reservedLabel } from '../../model/class-settings.ts';
import type { ShimFacts } from '../../model/fleet.ts';
import { someOf } from '../../model/wording.ts';
import { className, classNameSays, label, labelSays } from '../../../protocol/names.ts';

/** Values that an older or foreign CRD of Shims accepted. */
export const invalidity = ({ runtimeClass, handler, classSettings = {} }: ShimFacts): string | undefined => {
  const reserved = reservedLabel(classSettings);
  if (reserved !== undefined)
    return `the label ${JSON.stringify(reserved.slice(0, 120))} in spec.runtimeClass.labels is one of rcm-node, of Kubernetes, or of a tool that deletes by it; take it out, or choose another one`;
  if (!className.test(runtimeClass))
    return `no RuntimeClass can have the name ${JSON.stringify(runtimeClass.slice(0, 120))}: ${classNameSays}; give this Shim another spec.runtimeClass.name`;
  return label.test(handler)
    ? undefined
    : `no RuntimeClass can have the handler ${JSON.stringify(handler.slice(0, 120))}: ${labelSays}; give this Shim another spec.runtimeClass.handler`;
};

export const overwrittenBy = (name: string, who: readonly string[]): string => {
  const by = who.length === 0 ? 'another program, which the API server does not name' : someOf(who);
  return `the RuntimeClass ${name} is repeatedly reverted or deleted by ${by}, so it is corrected only every few minutes; remove the RuntimeClass from what that program applies, or give this Shim another spec.runtimeClass.name`;
};

/** `change`: what fails, where it is not the usual change. */
export const rejected = (
  { runtimeClass, classSettings }: ShimFacts,
  change: string | undefined,
  why: string,
): string => {
  const what = change ?? `the RuntimeClass ${runtimeClass} is to be changed`;
  const hint =
    classSettings === undefined
      ? ''
      : '; if it names labels, overhead or scheduling.tolerations, correct them in spec.runtimeClass of this Shim';
  return `${what}, but the API server rejects it: ${why}${hint}`;
};

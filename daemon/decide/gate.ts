/**
 * Which changes have to wait for their turn: those of the configuration that a Shim asks for. What a local file asks for,
 * what repairs or adopts what stands already, and what a person forces never waits.
 */
import { canonical, type Handler } from '../model/desired.ts';
import { detailOf, type Problem } from '../model/problem.ts';
import type { NeededTurn } from '../model/turns.ts';
import { handlerTable } from '../runtimes/containerd.ts';
import { servedNow } from './restart.ts';
import type { Scene, Table } from './scene.ts';
import { wayOut } from './tried.ts';
import { revisionHere, turnOf, waitsForTurn } from './turn.ts';

/** A change that needs a turn, or has to wait for another reason; with `held` it is not made now. */
export type Gate = { readonly turn?: NeededTurn; readonly held?: Problem };

/** The table of a handler as it was put in place, under the default handler's options of now. */
export const tableInForce = (scene: Scene, name: string, options: Table): Table | undefined => {
  const installed = scene.before.ledger.handlers[name];
  return installed && handlerTable(installed.handler, installed.path, options);
};

/** Of a handler that is asked for. Undefined: it needs no turn, and nothing holds it back. */
export const gateOf = (
  scene: Scene,
  handler: Handler,
  asked: { readonly table: Table; readonly key: string | undefined },
  options: Table,
): Gate | undefined => {
  const { order, name } = handler;
  const installed = scene.before.ledger.handlers[name];
  const isSame = [tableInForce(scene, name, options), scene.present[name]].some(
    (table) => table !== undefined && canonical(table) === canonical(asked.table),
  );
  const isMoved = installed !== undefined && installed.key !== asked.key;
  const own =
    !order || (isSame && !(order.scope === 'all' && isMoved))
      ? undefined
      : gate(scene, name, order.shim, order.revision);
  return isSame && !(isMoved && scene.held?.code === 'known-bad') ? own : heldWith(scene, name, own);
};

const heldWith = ({ held }: Scene, name: string, own: Gate | undefined): Gate | undefined =>
  held === undefined || own?.held ? own : { ...own, held: { ...held, handler: name } };

/** Of a handler that nobody asks for any more. */
export const gateOfRemoval = (scene: Scene, name: string): Gate | undefined => {
  const order = scene.before.ledger.handlers[name]?.handler.order;
  const { turns } = scene.desired;
  // Its Shim may live on under another handler: both are one change, and one approval.
  const own = order && turns && gate(scene, name, order.shim, revisionHere(turns, order.shim));
  // What somebody wrote into our text, and the runtime never loaded, needs no restart to go.
  const isInForce = name in scene.before.ledger.handlers || servedNow(scene.runtime).includes(name);
  return isInForce ? heldWith(scene, name, own) : own;
};

const gate = (scene: Scene, name: string, shim: string, revision: string): Gate | undefined => {
  const { turns } = scene.desired;
  if (!turns || scene.rules.force) return undefined;
  const turn = turnOf(turns, shim, revision, scene.before.now);
  const { bad } = scene.before.ledger;
  if (bad?.tried && Object.hasOwn(bad.tried, shim) && bad.tried[shim] === revision) {
    // What has run out is the approval, not the failure: to wait for the next one would be to fail again.
    const message = `it failed its proof here and is left alone until it changes: ${bad.problem.message}`;
    return {
      turn: { shim, revision },
      held: {
        code: 'known-bad',
        handler: name,
        message,
        ...detailOf(bad.problem),
        hint: wayOut(scene.before, bad),
      },
    };
  }
  return turn.hold === undefined ? { turn } : { turn, held: waitsForTurn(turn, name, turns) };
};

/**
 * One copy of what thousands of Nodes have in common: zones, types of machines, lists of handlers, what nodes of one pool say of
 * their shims. The text of each Node is parsed on its own, so that each would keep copies: more than half of what is kept of it.
 */
import type { NodeFacts } from '../model/fleet.ts';

export type SharedValues = {
  /** Equal to the given one. */
  node(facts: NodeFacts): NodeFacts;
};

/**
 * Names of hosts are on one Node each, and must not collect here. Beginning anew costs memory, never correctness: a value that
 * is known no more is kept once more.
 */
const most = 2_000;
/**
 * Of one value, as text, and of all: the owner of a node can have it say other things in each second, in lists of a megabyte. As long
 * as a status may be.
 */
const longest = 16_384;
const mostText = 4_000_000;

const pool = <T>() => {
  const known = new Map<string, T>();
  const state = { length: 0 };
  return (text: string, value: T): T => {
    if (text.length > longest) return value;
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= most || state.length + text.length > mostText) {
      known.clear();
      state.length = 0;
    }
    known.set(text, value);
    state.length += text.length;
    return value;
  };
};

export const makeSharedValues = (): SharedValues => {
  const texts = pool<string>();
  const tables = pool<object>();
  const text = (value: string): string => texts(value, value);
  /**
   * As a whole: entries of one Node that are equal stay two objects, because decide/rollout/node-standing.ts tells by identity
   * what is left of a Shim beside what it asks for.
   */
  const whole = <T extends object>(value: T): T => tables(JSON.stringify(value), value) as T;
  const labels = (given: NodeFacts['labels'], name: string): NodeFacts['labels'] => {
    const own: Record<string, string> = { ...given };
    for (const [key, value] of Object.entries(own)) own[key] = value === name ? name : text(value);
    return own;
  };
  return {
    node: (facts) => ({
      ...facts,
      labels: labels(facts.labels, facts.name),
      rollout: whole(facts.rollout),
      kubeletSees: facts.kubeletSees && whole(facts.kubeletSees),
      detail: facts.detail && whole(facts.detail),
    }),
  };
};

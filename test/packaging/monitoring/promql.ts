/** What a query of PromQL names: metrics, and for each the labels that it is asked for. promtool says whether the query is valid. */

/** Of PromQL, where no `(` stands behind it. */
const keywords = ['and', 'or', 'unless', 'bool', 'offset', 'on', 'ignoring', 'by', 'without'];

export type Named = {
  readonly metrics: readonly string[];
  /** Conditions on labels, with the metric. */
  readonly matchers: readonly { readonly metric: string; readonly label: string; readonly values: string }[];
  /** Of `by`, `on` and the like. */
  readonly labels: readonly string[];
};

export const namedIn = (expr: string): Named => {
  const matchers = [...expr.matchAll(/(\w+)\{([^}]*)\}/g)].flatMap(([, metric = '', inside = '']) =>
    [...inside.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].map(([, label = '', values = '']) => ({
      metric,
      label,
      values,
    })),
  );
  const grouping = /\b(?:by|without|on|ignoring) \(([^)]*)\)/g;
  const labels = [...expr.matchAll(grouping)].flatMap(([, names = '']) => names.split(', '));
  const bare = expr
    .replace(grouping, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .matchAll(/[a-zA-Z_:][\w:]*(?!\w|\s*\()/g);
  const metrics = [...bare].map(([name]) => name).filter((name) => !keywords.includes(name));
  return { metrics: [...new Set(metrics)], matchers, labels };
};

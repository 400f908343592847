/** What an alert is; alerts-of-nodes.ts and alerts-of-controller.ts have all of them. */

/** critical: Pods fail now, or new nodes cannot take them. warning: a change does not arrive. info: a person should know. */
export type Severity = 'critical' | 'warning' | 'info';

export type Alert = {
  readonly severity: Severity;
  /** PromQL. */
  readonly expr: string;
  /** How long it has to hold: longer than what rcm-node solves by itself. */
  readonly for: string;
  /** One line, with the labels that tell one from another. */
  readonly summary: string;
  /** What it means for those who run Pods. */
  readonly description: string;
  /** Its link leads to docs/troubleshooting.md, to the section of the label `code`. */
  readonly byCode?: true;
  /** Its section in docs/alerts.md: what to look at, and what to do. Markdown. */
  readonly runbook: string;
};

/** By name. */
export type Alerts = Readonly<Record<string, Alert>>;

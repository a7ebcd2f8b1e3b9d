import { type Area, type Finding, Findings } from '../../../src/doctor/finding.ts';

/** Runs a judgement and gives its findings. */
export function judged(area: Area, judge: (findings: Findings) => void): readonly Finding[] {
  const findings = new Findings(area, 'acme');
  judge(findings);
  return findings.all;
}

/** `failure login`, … in order. */
export const brief = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, check }) => `${level} ${check}`);

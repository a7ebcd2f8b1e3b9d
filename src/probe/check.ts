import { CrmError, type CrmErrorKind } from '../retailcrm/errors.ts';
import type { Session } from './session.ts';
import type { Area } from './types.ts';

/** One line of the test plan. */
export interface Check {
  readonly id: string;
  readonly area: Area;
  readonly title: string;
  /** Changes the account: only with `--write`. */
  readonly writes?: boolean;
  /** Only with `--files`. */
  readonly files?: boolean;
  /** Measured once, not several times. Writing checks always are. */
  readonly once?: boolean;
  /** Says what it found; throws CrmError when it was refused, Skipped when there is nothing to do. */
  readonly run: (session: Session) => Promise<string>;
}

/** A request that must be refused: says how it was. A success, or another refusal, is a failure of the check. */
export async function refused(
  session: Session,
  kinds: readonly CrmErrorKind[],
  request: () => Promise<unknown>,
): Promise<string> {
  try {
    await session.ask(request);
  } catch (error) {
    if (!(error instanceof CrmError) || !kinds.includes(error.kind)) throw error;
    return `refused as it should be: ${describe(error)}`;
  }
  throw new NotRefused('the CRM took what it should refuse');
}

/** A deliberate mistake was taken. */
export class NotRefused extends Error {
  override readonly name = 'NotRefused';
}

/** Status and words of a refusal. */
export function describe(error: CrmError): string {
  const fields = Object.entries(error.errors).map(([field, text]) => `${field}: ${text}`);
  const status = error.status === null ? 'no answer' : String(error.status);
  return `${status} “${error.errorMsg}”${fields.length > 0 ? ` (${fields.slice(0, 3).join('; ')})` : ''}`;
}

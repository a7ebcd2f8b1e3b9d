import type { FastifyInstance } from 'fastify';
import { digest } from '../../../src/http/admission.ts';
import { HttpFigures } from '../../../src/http/figures.ts';
import { type PublicOptions, publicHttp } from '../../../src/http/public.ts';
import type { ActionReply, ClickDone, Tenant } from '../../../src/http/tenant.ts';
import type { LogFields, Logger } from '../../../src/log.ts';

/** What a tenant's functions were asked, in order. */
export interface Asked {
  readonly what: string;
  readonly with: unknown;
}

/** A tenant whose functions note what they are asked and answer well. */
export interface TestTenant extends Tenant {
  readonly asked: Asked[];
}

/** Secrets of the enterprise `name`. */
export function secretsOf(name: string): { clientId: string; token: string; secret: string } {
  return {
    clientId: `${name}-client-0123456789abcdef0123`,
    token: `${name}-token-0123456789`,
    secret: `${name}-secret`,
  };
}

export const clickDone: ActionReply<ClickDone> = {
  ...{ outcome: 'done', clickId: 'c-1', callId: 'pbx1-1795339498.0', repeated: false },
  customer: { id: 7, name: 'Анна' },
};

/** An enterprise with one pair of credentials. */
export function tenant(name: string, more: Partial<Tenant> = {}): TestTenant {
  const { clientId, token, secret } = secretsOf(name);
  const asked: Asked[] = [];
  const note =
    <T>(what: string, answer: T) =>
    (request: unknown): Promise<T> => {
      asked.push({ what, with: request });
      return Promise.resolve(answer);
    };
  const done: ActionReply = { outcome: 'done' };
  return {
    asked,
    id: name,
    credentials: () => [{ clientId: digest(clientId), pathToken: digest(token) }],
    webhookSecret: digest(secret),
    allowFrom: [],
    makeCall: note('makeCall', clickDone),
    transfer: note('transfer', done),
    monitor: note('monitor', done),
    hangup: note('hangup', done),
    responsible: note('responsible', { known: true, extension: '101', manager: 'Ольга' }),
    userStatus: note('userStatus', undefined),
    activity: note('activity', undefined),
    changed: note('changed', undefined),
    refused: (what, from) => asked.push({ what: 'refused', with: { what, from } }),
    ...more,
  };
}

/** A log that keeps its lines. */
export function listeningLog(): Logger & { lines: { level: string; message: string; fields: LogFields }[] } {
  const lines: { level: string; message: string; fields: LogFields }[] = [];
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields });
    };
  const log = { lines, error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug'), child: () => log };
  return log;
}

/** The listener for these tenants; not listening, for `inject`. */
export async function open(
  tenants: readonly Tenant[],
  more: Partial<PublicOptions> = {},
): Promise<FastifyInstance & { figures: HttpFigures; log: ReturnType<typeof listeningLog> }> {
  const figures = new HttpFigures();
  const log = listeningLog();
  const app = await publicHttp({ log, figures, version: '0.0.0', tenants: () => tenants, ...more });
  return Object.assign(app, { figures, log });
}

export const form = { 'content-type': 'application/x-www-form-urlencoded' };

/** `a=1&b=2`. */
export function pairs(values: Readonly<Record<string, string>>): string {
  return new URLSearchParams(values).toString();
}

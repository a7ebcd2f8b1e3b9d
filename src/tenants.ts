import { createHash } from 'node:crypto';
import { resolveSecret } from './config/secrets.ts';
import type { EnterpriseSettings } from './config/settings.ts';
import type { ActionReply, Tenant } from './http/tenant.ts';
import type { Logger } from './log.ts';

/**
 * What an enterprise offers to HTTP. Each feature puts its functions here when the enterprise is built; what nobody put here is
 * refused: actions with 503 `not_ready`, and a look-up knows nobody.
 */
export type TenantDoors = Partial<Omit<Tenant, 'id' | 'webhookSecret' | 'allowFrom'>>;

const notReady: Extract<ActionReply, { outcome: 'refused' }> = {
  outcome: 'refused',
  status: 503,
  code: 'not_ready',
  message: 'this is not set up for the enterprise',
};

/** The enterprise as HTTP sees it. Throws SecretError when its webhook secret cannot be read. */
export function tenantOf(settings: EnterpriseSettings, doors: TenantDoors, log: Logger): Tenant {
  const { webhookSecret, module } = settings.retailcrm;
  const refuse = (): Promise<typeof notReady> => Promise.resolve(notReady);
  const nobody = (what: string) => (): Promise<never> => Promise.reject(new Error(`${what}: not set up`));
  return {
    credentials: () => [],
    makeCall: refuse,
    transfer: refuse,
    monitor: refuse,
    hangup: refuse,
    responsible: () => Promise.resolve({ known: false }),
    userStatus: nobody('user status'),
    activity: nobody('activity'),
    changed: nobody('trigger'),
    refused: (what, from) => log.debug('a request was refused', { what, peer: from }),
    ...doors,
    id: settings.id,
    webhookSecret: webhookSecret === undefined ? undefined : secretDigest(resolveSecret(webhookSecret), log),
    allowFrom: module?.allowFrom ?? [],
  };
}

/** Anybody may guess at the trigger address; this many characters are what guessing cannot reach. */
const SHORTEST_SECRET = 16;

function secretDigest(secret: string, log: Logger): Buffer {
  if (secret.length < SHORTEST_SECRET) {
    log.warn(`retailcrm.webhook_secret is short: ${SHORTEST_SECRET} random characters at least`);
  }
  return createHash('sha256').update(secret).digest();
}

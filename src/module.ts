/** Our telephony module in the CRM account (`retailcrm-api.md` 5.1): what is registered, and how it is merged with what is there. */
import type { EnterpriseSettings } from './config/settings.ts';
import type {
  AdditionalCode,
  ExternalPhone,
  IntegrationModule,
  ModuleInput,
  TelephonyModule,
} from './retailcrm/account.ts';
import type { RetailCrmClient } from './retailcrm/client.ts';
import { CrmError } from './retailcrm/errors.ts';
import type { CredentialPair } from './store/credentials.ts';
import { ensureCredentials, markRegistered } from './store/credentials.ts';
import type { Db } from './store/database.ts';

/** The module cannot be registered as things are; the message says what to do. Holds no secret. */
export class ModuleError extends Error {
  override readonly name = 'ModuleError';
}

/** What registering needs of one enterprise. */
export interface ModuleContext {
  readonly enterprise: EnterpriseSettings;
  /** `http.public_url`. */
  readonly publicUrl: string | undefined;
  readonly db: Db;
  readonly client: RetailCrmClient;
  /** Resolves when the account's general rate budget has room for one request. */
  readonly pace: () => Promise<void>;
}

/** What a registration did. */
export interface Registered {
  readonly code: string;
  /** The CRM did not have it before. */
  readonly created: boolean;
  /** Whether it is switched on there now. */
  readonly active: boolean;
  /** Extensions of the configuration that were left out, a sentence each. */
  readonly conflicts: readonly string[];
  /** The list the CRM has now. */
  readonly codes: readonly AdditionalCode[];
}

/** Paths the CRM calls, under the public address. `{token}` is the secret part. */
export const CALLBACK_PATHS = {
  makeCall: '/crm/{token}/makecall',
  status: '/crm/{token}/status',
  activity: '/crm/{token}/activity',
  account: '/account',
  logo: '/logo.svg',
} as const;

/**
 * Registers the module, or edits it: reads what is there, merges, writes. Throws ModuleError or CrmError.
 * @param active `as-is` leaves a module that somebody switched off switched off; a new one is on
 */
export async function registerModule(context: ModuleContext, active: boolean | 'as-is'): Promise<Registered> {
  const { enterprise, db, client, pace } = context;
  const publicUrl = usablePublicUrl(context);
  const { code } = needModule(enterprise);
  const pair = await ensureCredentials(db, enterprise.id);
  const known = await knownModule(context, code);
  const wanted = active === 'as-is' ? (known?.active ?? true) : active;
  const { input, conflicts } = moduleInput({ enterprise, publicUrl, pair, known, active: wanted });
  await pace();
  try {
    await client.editIntegrationModule(input);
  } catch (error) {
    throw error instanceof CrmError && error.kind === 'VALIDATION' ? refusal(error, input) : error;
  }
  await markRegistered(db, pair.id);
  const codes = input.integrations?.telephony.additionalCodes ?? [];
  return { code, created: known === undefined, active: wanted, conflicts, codes };
}

/** Our module as the CRM has it; undefined when it has none. Throws CrmError. */
export async function knownModule(
  context: Pick<ModuleContext, 'client' | 'pace'>,
  code: string,
): Promise<IntegrationModule | undefined> {
  await context.pace();
  try {
    return await context.client.integrationModule(code);
  } catch (error) {
    if (error instanceof CrmError && error.kind === 'NOTFOUND') return undefined;
    throw error;
  }
}

/** What the CRM is told about us. */
export function moduleInput(given: {
  enterprise: EnterpriseSettings;
  publicUrl: string;
  pair: Pick<CredentialPair, 'clientId' | 'pathToken'>;
  known: IntegrationModule | undefined;
  active: boolean;
}): { input: ModuleInput; conflicts: string[] } {
  const { enterprise, publicUrl, pair, known, active } = given;
  const { code, name, logo } = needModule(enterprise);
  const path = (template: string): string => template.replace('{token}', pair.pathToken);
  const { codes, conflicts } = mergeCodes(configuredCodes(enterprise), known?.telephony?.additionalCodes ?? []);
  const { popups } = enterprise.policies;
  const telephony: TelephonyModule = {
    // Without it the CRM shows no phone icon, and without click-to-call there is nothing behind the icon.
    makeCallUrl: enterprise.clickToCall && publicUrl + path(CALLBACK_PATHS.makeCall),
    changeUserStatusUrl:
      enterprise.statuses.toPbx || enterprise.statuses.toCrm ? publicUrl + path(CALLBACK_PATHS.status) : undefined,
    allowEdit: false,
    inputEventSupported: popups.in,
    outputEventSupported: popups.out,
    hangupEventSupported: popups.hangup,
    additionalCodes: codes,
    externalPhones: mergePhones(configuredPhones(enterprise), known?.telephony?.externalPhones ?? []),
  };
  const input: ModuleInput = {
    code,
    active,
    name,
    // The CRM takes no logo by http, not even the emulator on this machine.
    logo: logo ?? publicUrl.replace(/^http:/, 'https:') + CALLBACK_PATHS.logo,
    clientId: pair.clientId,
    baseUrl: publicUrl,
    actions: { activity: path(CALLBACK_PATHS.activity) },
    accountUrl: publicUrl + CALLBACK_PATHS.account,
    integrations: { telephony },
  };
  return { input, conflicts };
}

/**
 * One list from the configuration's and the CRM's: the CRM's method replaces the whole list, so what is left out is lost.
 * The configuration wins for the users it names; all others keep what they have. An extension that another user keeps
 * cannot be given away (the CRM refuses two users with one extension): that entry is left out and told.
 */
export function mergeCodes(
  configured: readonly AdditionalCode[],
  known: readonly AdditionalCode[],
): { codes: AdditionalCode[]; conflicts: string[] } {
  const named = new Set(configured.map(({ userId }) => userId));
  const kept = known.filter(({ userId }) => !named.has(userId));
  const owner = new Map(kept.map(({ code, userId }) => [code, userId]));
  const conflicts: string[] = [];
  const ours = configured.filter(({ userId, code }) => {
    const other = owner.get(code);
    if (other === undefined) {
      owner.set(code, userId);
      return true;
    }
    if (other !== userId)
      conflicts.push(
        `extension ${code} of user ${userId} is left out: the CRM gives it to user ${other}, whom the configuration does not name`,
      );
    return false;
  });
  return { codes: [...ours, ...kept], conflicts };
}

/** Which users have which extensions by the configuration. */
export function configuredCodes(enterprise: EnterpriseSettings): AdditionalCode[] {
  return enterprise.employees.flatMap(({ user, code }) => (user === undefined ? [] : [{ userId: user, code }]));
}

/** Which shop has which numbers by the configuration; the first one of a shop is the one a click shows. */
export function configuredPhones(enterprise: EnterpriseSettings): ExternalPhone[] {
  const { dids, defaultDid, retailcrm } = enterprise;
  const first = (number: string): number => (number === defaultDid ? 0 : 1);
  return dids
    .toSorted((a, b) => first(a.number) - first(b.number))
    .flatMap(({ number, site }) => {
      const siteCode = site ?? retailcrm.site;
      return siteCode === undefined ? [] : [{ siteCode, externalPhone: number }];
    });
}

/** As `mergeCodes`: the configuration wins for the shops it names. */
function mergePhones(configured: readonly ExternalPhone[], known: readonly ExternalPhone[]): ExternalPhone[] {
  const named = new Set(configured.map(({ siteCode }) => siteCode));
  return [...configured, ...known.filter(({ siteCode }) => !named.has(siteCode))];
}

function needModule(enterprise: EnterpriseSettings): NonNullable<EnterpriseSettings['retailcrm']['module']> {
  const { module } = enterprise.retailcrm;
  if (module === undefined)
    throw new ModuleError(`enterprise ${enterprise.id} has no retailcrm.module in its configuration`);
  return module;
}

/** The public address, fit for the CRM: https, or loopback where the emulator is the CRM. */
function usablePublicUrl({ publicUrl, enterprise }: ModuleContext): string {
  if (publicUrl === undefined)
    throw new ModuleError(
      'http.public_url is missing: the CRM must be told the https address under which it reaches us',
    );
  const { protocol } = new URL(publicUrl);
  if (protocol !== 'https:' && !enterprise.retailcrm.allowInsecure)
    throw new ModuleError('http.public_url must start with https://: the CRM calls no other address');
  return publicUrl;
}

/** The CRM's field errors with the extension or shop they are about, instead of a place in a list nobody sees. */
function refusal(error: CrmError, input: ModuleInput): ModuleError {
  const fields = Object.entries(error.errors).map(([field, text]) => `${whatIs(field, input)}: ${text}`);
  const said = fields.length > 0 ? fields.join('; ') : error.errorMsg;
  return new ModuleError(`the CRM refuses the module ${input.code}: ${said}`, { cause: error });
}

function whatIs(field: string, input: ModuleInput): string {
  const [, list, index] = /(additionalCodes|externalPhones)\[(\d+)\]/.exec(field) ?? [];
  const telephony = input.integrations?.telephony;
  const code = list === 'additionalCodes' ? telephony?.additionalCodes?.[Number(index)] : undefined;
  if (code !== undefined) return `user ${code.userId} with extension ${code.code}`;
  const phone = list === 'externalPhones' ? telephony?.externalPhones?.[Number(index)] : undefined;
  return phone === undefined ? field : `number of shop ${phone.siteCode}`;
}

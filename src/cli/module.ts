import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { EnterpriseSettings } from '../config/settings.ts';
import { resolveSecret } from '../config/secrets.ts';
import { silentLog } from '../log.ts';
import {
  CALLBACK_PATHS,
  ModuleError,
  configuredCodes,
  knownModule,
  mergeCodes,
  moduleInput,
  registerModule,
} from '../module.ts';
import type { ModuleContext } from '../module.ts';
import type { AdditionalCode, IntegrationModule } from '../retailcrm/account.ts';
import { CREDENTIALS_POLL_MS } from '../moduleKeeper.ts';
import { RetailCrmClient } from '../retailcrm/client.ts';
import { CrmError } from '../retailcrm/errors.ts';
import { projectRoot } from '../root.ts';
import { appendAudit } from '../store/audit.ts';
import {
  type CredentialPair,
  type Taker,
  dropOldCredentials,
  readCredentials,
  rotateCredentials,
} from '../store/credentials.ts';
import type { Db } from '../store/database.ts';
import { migrate } from '../store/migrations.ts';
import { defineCommand } from './args.ts';
import { configOption, jsonOption, localTime, settingsFrom, withDatabase } from './common.ts';
import { EXIT, EXIT_MEANING, UsageError } from './errors.ts';
import { type Io, printJson, printLine } from './output.ts';

const exitCodes = {
  1: 'the module is not as it should be, or the CRM refused it; the reason is on stderr',
  [EXIT.unavailable]: EXIT_MEANING[EXIT.unavailable] ?? '',
  [EXIT.config]: EXIT_MEANING[EXIT.config] ?? '',
};
const options = {
  ...configOption,
  enterprise: { type: 'string', value: 'ID', help: 'only this enterprise; without it all that have retailcrm.module' },
  ...jsonOption,
} as const;
/** Of the commands about the credentials: every enterprise has some. */
const everybody = {
  ...options,
  enterprise: { ...options.enterprise, help: 'only this enterprise; without it all' },
} as const;

/** How long a running daemon may need to learn of a new pair, with some room. */
const daemonKnowsMs = CREDENTIALS_POLL_MS * 1.5;

interface Given {
  readonly config: string | undefined;
  readonly enterprise: string | undefined;
  readonly json: boolean;
}

/** What is done with one enterprise: the object for `--json`, the lines for people, and whether all is well. */
interface Outcome {
  readonly json: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  readonly well: boolean;
}

export const moduleRegisterCommand = defineCommand({
  name: 'module register',
  group: 'CRM',
  summary: 'register the telephony module in the CRM, or bring it up to date, and switch it on',
  description: [
    'Reads what the CRM has, merges it with the configuration and writes it back: extensions of users the configuration does not name stay as they are.',
  ],
  options,
  exitCodes,
  examples: [{ line: 'module register', says: 'after a change of employees, numbers or the public address' }],
  run: ({ options: given, ...io }) =>
    eachModule(given, io, async (context, db) => {
      const done = await registerModule(context, true);
      await noted(db, context, 'register', 'done');
      return {
        json: {
          code: done.code,
          created: done.created,
          active: done.active,
          codes: done.codes,
          conflicts: done.conflicts,
        },
        lines: [
          `module ${done.code} ${done.created ? 'registered' : 'brought up to date'}, ${done.codes.length} extensions`,
          ...done.conflicts,
        ],
        well: done.conflicts.length === 0,
      };
    }),
});

export const moduleShowCommand = defineCommand({
  name: 'module show',
  group: 'CRM',
  summary: 'the telephony module as the CRM has it, and what "module register" would change',
  description: ['Of an enterprise without retailcrm.module: its clientId alone, which scripts and triggers show.'],
  options: {
    ...everybody,
    secrets: { type: 'boolean', help: 'also print the clientId and the callback addresses with their token' },
  },
  exitCodes,
  examples: [
    { line: 'module show', says: 'is it on, and who has which extension' },
    { line: 'module show --secrets', says: 'what a script of the shop or a trigger must send' },
  ],
  run: ({ options: given, ...io }) =>
    eachEnterprise(given, io, async (context, db) => {
      const { enterprise } = context;
      if (enterprise.retailcrm.module === undefined) return credentialsAlone(context, db, given.secrets);
      const { code } = enterprise.retailcrm.module;
      const known = await knownModule(context, code);
      const pairs = await readCredentials(db, [enterprise.id]);
      const there = known?.telephony?.additionalCodes ?? [];
      const { codes, conflicts } = mergeCodes(configuredCodes(enterprise), there);
      const has = (list: readonly AdditionalCode[], one: AdditionalCode): boolean =>
        list.some(({ userId, code: extension }) => userId === one.userId && extension === one.code);
      const missing = codes.filter((one) => !has(there, one));
      const wrong = there.filter((one) => !has(codes, one));
      const credentials = pairs.map((pair) => credential(pair, context, given.secrets));
      const outdated = known === undefined ? [] : outdatedFields(context, known, pairs[0]);
      const well =
        known?.active === true && known.freeze !== true && missing.length + wrong.length + outdated.length === 0;
      return {
        json: {
          code,
          registered: known !== undefined,
          active: known?.active ?? false,
          freeze: known?.freeze ?? false,
          codes: there,
          missing,
          wrong,
          outdated,
          conflicts,
          externalPhones: known?.telephony?.externalPhones ?? [],
          credentials,
        },
        lines: [
          known === undefined
            ? `module ${code} is not registered in the CRM: "module register" does it`
            : `module ${code} is ${known.freeze === true ? 'frozen by the CRM' : known.active === true ? 'on' : 'off'}`,
          ...there.map(({ userId, code: extension }) => `  user ${userId} has extension ${extension}`),
          ...missing.map(({ userId, code: extension }) => `  missing: user ${userId} should have ${extension}`),
          ...wrong.map(({ userId, code: extension }) => `  would go: ${extension} of user ${userId}`),
          ...outdated.map((field) => `  not up to date: ${field}`),
          ...conflicts.map((one) => `  ${one}`),
          ...credentials.map(
            ({ created, registered, clientId, makeCallUrl }) =>
              `  credentials of ${created}, ${registered === null ? 'not known to the CRM yet' : `registered ${registered}`}` +
              (clientId === undefined ? '' : `\n    clientId ${clientId}\n    ${String(makeCallUrl)}`),
          ),
        ],
        well,
      };
    }),
});

export const moduleDeactivateCommand = defineCommand({
  name: 'module deactivate',
  group: 'CRM',
  summary: 'switch the telephony module off in the CRM; everything stays registered',
  description: ['Popups and records then wait in the outbox until the module is on again: "module register".'],
  options,
  exitCodes,
  examples: [{ line: 'module deactivate --enterprise acme', says: 'before the account moves to another telephony' }],
  run: ({ options: given, ...io }) =>
    eachModule(given, io, async (context, db) => {
      const { code } = await registerModule(context, false);
      await noted(db, context, 'deactivate', 'done');
      return { json: { code, active: false }, lines: [`module ${code} is off`], well: true };
    }),
});

export const moduleRotateCommand = defineCommand({
  name: 'module rotate',
  group: 'CRM',
  summary: 'new clientId and callback addresses; the old ones stay valid until they are dropped',
  description: [
    'Registers the module with a new pair. Scripts and triggers that use the old clientId go on working; change them, then run it with --drop-old.',
  ],
  options: {
    ...everybody,
    'drop-old': { type: 'boolean', help: 'make no new pair; end the validity of the old one' },
  },
  exitCodes,
  examples: [
    { line: 'module rotate', says: 'when somebody may have seen the clientId' },
    { line: 'module rotate --drop-old', says: 'once every script has the new one' },
  ],
  run: ({ options: given, ...io }) =>
    eachEnterprise(given, io, (context, db) => (given['drop-old'] ? dropOld(context, db) : rotate(context, db))),
});

/** Where no module is: scripts and triggers show the clientId, and nothing else. */
async function credentialsAlone({ enterprise }: ModuleContext, db: Db, secrets: boolean): Promise<Outcome> {
  const pairs = await readCredentials(db, [enterprise.id]);
  const credentials = pairs.map(({ createdAt, clientId }) => ({
    created: localTime(createdAt),
    ...(secrets && { clientId }),
  }));
  return {
    json: { code: null, registered: false, credentials },
    lines: [
      'no module: retailcrm.module is not in the configuration',
      ...(pairs.length === 0 ? ['  no credentials yet: the daemon makes them when it starts'] : []),
      ...credentials.map(
        ({ created, clientId }) =>
          `  credentials of ${created}` + (clientId === undefined ? '' : `\n    clientId ${clientId}`),
      ),
    ],
    well: true,
  };
}

const takerOf = ({ enterprise }: ModuleContext): Taker =>
  enterprise.retailcrm.module === undefined ? 'nobody' : 'crm';

async function rotate(context: ModuleContext, db: Db): Promise<Outcome> {
  await rotateCredentials(db, context.enterprise.id, takerOf(context));
  const module = takerOf(context) === 'crm' ? await registerNewPair(context) : undefined;
  await noted(db, context, 'rotate', 'done');
  const valid = (await readCredentials(db, [context.enterprise.id])).length;
  const has = module === undefined ? 'there are new credentials' : `module ${module.code} has new credentials`;
  return {
    json: { code: null, ...module, valid },
    lines: [`${has}${valid > 1 ? '; the old ones are valid until --drop-old' : ''}`],
    well: true,
  };
}

async function registerNewPair(context: ModuleContext): Promise<{ code: string; active: boolean }> {
  // A running daemon must know the pair before the CRM calls with it.
  await new Promise((resolve) => setTimeout(resolve, daemonKnowsMs));
  const { code, active } = await registerModule(context, 'as-is');
  return { code, active };
}

async function dropOld(context: ModuleContext, db: Db): Promise<Outcome> {
  const dropped = await dropOldCredentials(db, context.enterprise.id, takerOf(context));
  if (dropped === undefined)
    throw new ModuleError(
      'the CRM has not taken the new credentials yet: the old ones are all it knows ("module rotate" first)',
    );
  await noted(db, context, 'drop-old', 'done');
  return {
    json: { dropped },
    lines: [dropped === 0 ? 'there are no old credentials' : 'the old credentials are no longer valid'],
    well: true,
  };
}

type Act = (context: ModuleContext, db: Db) => Promise<Outcome>;

/** As `eachEnterprise`; without `--enterprise` only those with a module. */
function eachModule(given: Given, io: Pick<Io, 'out' | 'err'>, act: Act): Promise<number> {
  return eachEnterprise(given, io, act, ({ retailcrm }) => retailcrm.module !== undefined);
}

/** Does it for each enterprise in turn; what goes wrong with one does not keep the next from its turn. */
async function eachEnterprise(
  given: Given,
  { out, err }: Pick<Io, 'out' | 'err'>,
  act: Act,
  concerned: (enterprise: EnterpriseSettings) => boolean = () => true,
): Promise<number> {
  const settings = settingsFrom(given.config);
  const chosen = chosenEnterprises(settings.enterprises, given.enterprise, concerned);
  const { publicUrl } = settings.daemon.http;
  return withDatabase(given.config, async (db) => {
    await migrate(db, join(projectRoot(), 'db/migrations'), silentLog);
    let code: number = EXIT.ok;
    for (const enterprise of chosen) {
      const { url, key, allowInsecure } = enterprise.retailcrm;
      const client = new RetailCrmClient({ url, key: resolveSecret(key), log: silentLog, allowInsecure });
      try {
        // Two or three requests: the account's budget is the running daemon's.
        const { json, lines, well } = await act(
          { enterprise, publicUrl, db, client, pace: () => Promise.resolve() },
          db,
        );
        if (given.json) printJson(out, { enterprise: enterprise.id, ...json });
        else for (const line of lines) printLine(out, chosen.length > 1 ? `${enterprise.id}: ${line}` : line);
        if (!well) code = Math.max(code, 1);
      } catch (error) {
        if (!(error instanceof ModuleError) && !(error instanceof CrmError)) throw error;
        printLine(err, `${enterprise.id}: ${error.message}`);
        const away = error instanceof CrmError && ['NETWORK', 'RETRY', 'RATE'].includes(error.kind);
        code = Math.max(code, away ? EXIT.unavailable : 1);
      } finally {
        client.stop();
      }
    }
    return code;
  });
}

function chosenEnterprises(
  all: readonly EnterpriseSettings[],
  id: string | undefined,
  concerned: (enterprise: EnterpriseSettings) => boolean,
): readonly EnterpriseSettings[] {
  const named = id === undefined ? undefined : all.find((one) => one.id === id);
  if (id !== undefined && named === undefined)
    throw new UsageError(`there is no enterprise ${id}; there are ${all.map((one) => one.id).join(', ')}`);
  if (named !== undefined) return [named];
  const chosen = all.filter(concerned);
  if (chosen.length === 0) throw new UsageError('no enterprise has retailcrm.module in its configuration');
  return chosen;
}

/** Names of what the CRM holds otherwise than it would be registered now; the values hold the token. */
function outdatedFields(
  { enterprise, publicUrl }: ModuleContext,
  known: IntegrationModule,
  pair: CredentialPair | undefined,
): string[] {
  if (pair === undefined || publicUrl === undefined) return ['credentials'];
  const { input } = moduleInput({ enterprise, publicUrl, pair, known, active: true });
  const wanted = input.integrations?.telephony;
  const there = known.telephony;
  return [
    ...(input.baseUrl === known.baseUrl ? [] : ['baseUrl']),
    ...(input.name === known.name ? [] : ['name']),
    ...(['makeCallUrl', 'changeUserStatusUrl'] as const).filter((field) => wanted?.[field] !== there?.[field]),
    ...(isDeepStrictEqual(wanted?.externalPhones, there?.externalPhones) ? [] : ['externalPhones']),
  ];
}

/** A pair for showing; its secrets only if asked for. */
function credential(
  pair: CredentialPair,
  { publicUrl = '' }: Pick<ModuleContext, 'publicUrl'>,
  secrets: boolean,
): { created: string; registered: string | null; clientId?: string; makeCallUrl?: string } {
  return {
    created: localTime(pair.createdAt),
    registered: pair.registeredAt === null ? null : localTime(pair.registeredAt),
    ...(secrets && {
      clientId: pair.clientId,
      makeCallUrl: publicUrl + CALLBACK_PATHS.makeCall.replace('{token}', pair.pathToken),
    }),
  };
}

/** Keys and registrations are worth a line in the audit log. */
function noted(db: Db, { enterprise }: ModuleContext, subject: string, outcome: string): Promise<unknown> {
  return appendAudit(db, [
    { enterprise: enterprise.id, who: 'operator', what: 'module', subject, from: 'cli', outcome },
  ]);
}

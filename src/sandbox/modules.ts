/** The integration module: how a telephony makes itself known. Behaviours 50–53. */

import type { Account, Module, Telephony } from './account.ts';
import { type Ask, asObject, flagUnknown, integer, objectField, text, without } from './ask.ts';
import { json, ok, phpMap, type Problems, type Reply, refusal, refuseIfAny, texts } from './reply.ts';

const ACTIONS = ['activity', 'settings'];
const FIELDS = [
  'code',
  'integrationCode',
  'active',
  'freeze',
  'name',
  'logo',
  'clientId',
  'baseUrl',
  'actions',
  'accountUrl',
  'availableCountries',
  'native',
  'integrations',
];

/** GET integration-modules/{code} */
export function getModule(ask: Ask): Reply {
  const module = ask.account.modules.get(ask.path['code'] ?? '');
  if (!module) throw refusal(404, 'Not found');
  return ok({ integrationModule: view(module) });
}

/** POST integration-modules/{code}/edit: creates and edits. */
export function editModule(ask: Ask): Reply {
  const { account } = ask;
  const say = texts(ask.switches);
  const given = objectField(ask, 'integrationModule');
  flagUnknown(ask, given, FIELDS);
  const problems: Problems = {};
  const code = ask.path['code'] ?? '';
  if (text(given['code']) === undefined) problems['code'] = say.blank;
  else if (given['code'] !== code) problems['code'] = say.invalid;
  const integrationCode = text(given['integrationCode']);
  if (integrationCode !== undefined && !code.startsWith(integrationCode)) problems['code'] = say.prefix;

  const known = account.modules.get(code);
  const field = (
    name: 'name' | 'logo' | 'clientId' | 'baseUrl',
    valid: (value: string) => boolean = () => true,
  ): string => {
    const value = given[name] === undefined ? known?.[name] : text(given[name]);
    if (value === undefined) problems[name] = say.blank;
    else if (!valid(value)) problems[name] = say.invalid;
    return value ?? '';
  };
  const actions =
    given['actions'] === undefined ? (known?.actions ?? {}) : readActions(ask, given['actions'], problems);
  const integrations = asObject(given['integrations']);
  const telephony =
    integrations?.['telephony'] === undefined
      ? known?.telephony
      : readTelephony(ask, integrations['telephony'], problems);
  const module: Module = {
    code,
    integrationCode: integrationCode ?? known?.integrationCode,
    active: typeof given['active'] === 'boolean' ? given['active'] : (known?.active ?? true),
    freeze: known?.freeze ?? false,
    name: field('name'),
    logo: field(
      'logo',
      (logo) => URL.canParse(logo) && new URL(logo).protocol === 'https:' && new URL(logo).pathname.endsWith('.svg'),
    ),
    clientId: field('clientId'),
    baseUrl: field('baseUrl', isReachable),
    accountUrl: text(given['accountUrl']) ?? known?.accountUrl,
    actions,
    availableCountries: Array.isArray(given['availableCountries'])
      ? given['availableCountries'].map(String)
      : (known?.availableCountries ?? []),
    telephony,
  };
  refuseIfAny(ask.switches, problems);
  account.modules.delete(code);
  account.modules.set(code, module);
  return json(known ? 200 : 201, { success: true, info: ask.switches.emptyInfo === '[]' ? [] : {} });
}

/** A module as the API shows it: without its clientId. */
export function view(module: Module): Record<string, unknown> {
  const { actions, telephony, integrationCode, accountUrl, ...plain } = without(module, 'clientId');
  return {
    ...plain,
    ...(integrationCode !== undefined && { integrationCode }),
    ...(accountUrl !== undefined && { accountUrl }),
    native: false,
    actions: phpMap(actions),
    integrations: telephony ? { telephony: dropUndefined(telephony) } : [],
  };
}

function readActions(ask: Ask, given: unknown, problems: Problems): Record<string, string> {
  const say = texts(ask.switches);
  const actions: Record<string, string> = {};
  for (const [name, path] of Object.entries(asObject(given) ?? {})) {
    if (!ACTIONS.includes(name)) problems['actions'] = say.choice;
    else if (typeof path !== 'string' || path === '') problems[`actions.${name}`] = say.invalid;
    else actions[name] = path;
  }
  return actions;
}

function readTelephony(ask: Ask, given: unknown, problems: Problems): Telephony {
  const say = texts(ask.switches);
  const { account } = ask;
  const fields = asObject(given) ?? {};
  const at = 'integrations.telephony';
  const url = (name: string): string | undefined => {
    const value = text(fields[name]);
    if (value !== undefined && !isReachable(value)) problems[`${at}.${name}`] = say.invalid;
    return value;
  };
  const additionalCodes = entries(fields['additionalCodes']).map((entry, index) => {
    const userId = integer(entry['userId']);
    const code = text(entry['code']);
    if (userId === undefined || !account.users.has(userId))
      problems[`${at}.additionalCodes[${index}].userId`] = say.unknown;
    if (code === undefined) problems[`${at}.additionalCodes[${index}].code`] = say.blank;
    return { userId: userId ?? 0, code: code ?? '' };
  });
  const codes = additionalCodes.map((entry) => entry.code);
  if (new Set(codes).size < codes.length) problems[`${at}.additionalCodes`] = say.used;
  const externalPhones = entries(fields['externalPhones']).map((entry, index) => {
    const siteCode = text(entry['siteCode']);
    if (siteCode === undefined || !account.sites.has(siteCode))
      problems[`${at}.externalPhones[${index}].siteCode`] = say.unknown;
    return { siteCode: siteCode ?? '', externalPhone: text(entry['externalPhone']) ?? '' };
  });
  return {
    makeCallUrl: url('makeCallUrl'),
    changeUserStatusUrl: url('changeUserStatusUrl'),
    allowEdit: fields['allowEdit'] === true,
    inputEventSupported: fields['inputEventSupported'] === true,
    outputEventSupported: fields['outputEventSupported'] === true,
    hangupEventSupported: fields['hangupEventSupported'] === true,
    additionalCodes,
    externalPhones,
  };
}

/** https, or plain http to the machine itself, which only an emulator may allow. */
function isReachable(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname));
}

function entries(given: unknown): Record<string, unknown>[] {
  return Array.isArray(given) ? given.map((entry) => asObject(entry) ?? {}) : [];
}

function dropUndefined(map: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined));
}

/** The module an admin command is about: by code, else the one edited last. */
export function moduleOf(account: Account, code: string | undefined): Module | undefined {
  return code === undefined ? [...account.modules.values()].at(-1) : account.modules.get(code);
}

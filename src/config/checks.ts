import type { Draft, Placed } from './draft.ts';
import { extensionRegExp, globsOverlap } from './match.ts';
import type { Problem } from './problems.ts';
import type { YamlFile } from './yaml-file.ts';

/** What the schema cannot see: keys of one enterprise's file that contradict each other. */
export function checkEnterprise(draft: Draft): Problem[] {
  return [
    ...checkUnique(draft),
    ...checkTrunks(draft),
    ...checkEmployees(draft),
    ...checkPatterns(draft),
    ...checkDefaultDid(draft),
    ...checkEmployeeHosts(draft),
    ...checkWebhooks(draft),
  ];
}

/** What no file can see alone: enterprises that get in each other's way. */
export function checkTogether(drafts: readonly Draft[]): Problem[] {
  const of = (part: (draft: Draft) => readonly Placed<string>[]): Entry[] =>
    drafts.flatMap((draft) => part(draft).map((placed) => ({ ...placed, yaml: draft.yaml })));
  return [
    ...repeated(
      of(({ id }) => (id ? [id] : [])),
      'across',
      (id) => `enterprise "${id}" is already in`,
    ),
    ...repeated(
      of(({ number }) => (number ? [number] : [])),
      'across',
      (number) => `number "${number}" already belongs to the enterprise in`,
    ),
    ...repeated(of(numbersOf), 'across', (did) => `${did} already belongs to the enterprise in`),
    ...repeated(of(addressesOf), 'across', (address) => `${address} is already a host of the enterprise in`),
    // Both would tell the CRM calls under the same ids; it keeps one of two.
    ...repeated(
      of(hostsInAccount),
      'across',
      (entry) => `host "${entry.split(' ').at(-1) ?? ''}" of the same RetailCRM account is already in`,
    ),
    ...repeated(
      of(({ account }) => (account ? [account] : [])),
      'across',
      () => 'both enterprises share one rate limit: the same account is already in',
      'warning',
    ),
  ];
}

/** A value and where it stands. */
interface Entry extends Placed<string> {
  readonly yaml: YamlFile;
}

/** One problem per entry whose value an earlier one has; `across` tells only of other files, `within` only of the same. */
function repeated(
  entries: readonly Entry[],
  scope: 'within' | 'across',
  says: (value: string) => string,
  severity: Problem['severity'] = 'error',
): Problem[] {
  const first = new Map<string, Entry>();
  return entries.flatMap((entry) => {
    const key = entry.value.toLowerCase();
    const earlier = first.get(key);
    if (!earlier) first.set(key, entry);
    if (!earlier || (earlier.yaml === entry.yaml) !== (scope === 'within')) return [];
    const { file, line } = earlier.yaml.problem('error', earlier.path, '');
    const where = scope === 'across' ? `${file}:${line}` : `line ${line}`;
    return [entry.yaml.problem(severity, entry.path, `${says(entry.value)} ${where}`)];
  });
}

function numbersOf({ dids }: Draft): Placed<string>[] {
  return dids.map(({ value, path }) => ({ value: value.number, path: [...path, 'number'] }));
}

/** Host ids with the account they tell their calls to. */
function hostsInAccount({ account, hosts }: Draft): Placed<string>[] {
  if (!account) return [];
  return hosts.map(({ value, path }) => ({ value: `${account.value} ${value.id}`, path: [...path, 'id'] }));
}

/** Where each host's manager interface is; one PBX under two ids would double every call. */
function addressesOf({ hosts }: Draft): Placed<string>[] {
  return hosts.map(({ value: { ami }, path }) => ({
    value: `${ami.address}:${ami.port ?? (ami.tls ? 5039 : 5038)}`,
    path: [...path, 'ami', 'address'],
  }));
}

function checkUnique(draft: Draft): Problem[] {
  const { hosts, employees, webhooks, yaml } = draft;
  const once = (entries: readonly Placed<string>[], says: (value: string) => string): Problem[] =>
    repeated(
      entries.map((entry) => ({ ...entry, yaml })),
      'within',
      says,
    );
  const extensions = new Set<string>();
  const codes = employees.flatMap(({ value: { code, extension }, path }) => {
    // An extension given twice is told as that, not as its code once more.
    if (code === undefined && extensions.has(extension)) return [];
    extensions.add(extension);
    return [{ value: code ?? extension, path: [...path, code === undefined ? 'extension' : 'code'] }];
  });
  const lines = hosts.map(({ value, path }) =>
    value.trunks.map(({ name }, t) => ({ value: name, path: [...path, 'trunks', t, 'name'] })),
  );
  const mobiles = employees.flatMap(({ value, path }) =>
    value.mobiles.map((mobile, m) => ({ value: mobile, path: [...path, 'mobiles', m] })),
  );
  return [
    ...once(
      hosts.map(({ value, path }) => ({ value: value.id, path: [...path, 'id'] })),
      (id) => `host "${id}" is already in`,
    ),
    ...once(addressesOf(draft), (address) => `${address} is already a host in`),
    ...lines.flatMap((names) => once(names, (name) => `outside line "${name}" is already in`)),
    ...once(numbersOf(draft), (did) => `${did} is already in`),
    ...once(
      employees.map(({ value, path }) => ({ value: value.extension, path: [...path, 'extension'] })),
      (extension) => `extension "${extension}" already belongs to the employee in`,
    ),
    ...once(codes, (code) => `CRM code "${code}" already belongs to the employee in`),
    ...once(
      webhooks.map(({ value, path }) => ({ value: value.id, path: [...path, 'id'] })),
      (id) => `receiver "${id}" is already in`,
    ),
    ...once(mobiles, (mobile) => `${mobile} is already a mobile in`),
  ];
}

/** Channels that could belong to two lines of one host. */
function checkTrunks({ hosts, yaml }: Draft): Problem[] {
  return hosts.flatMap(({ value: { trunks }, path }) => {
    const patterns = trunks.flatMap((trunk, t) =>
      trunk.channels.map((pattern, c) => ({ pattern, trunk, path: [...path, 'trunks', t, 'channels', c] })),
    );
    return patterns.flatMap(({ pattern, trunk, path: where }, later) => {
      const other = patterns
        .slice(0, later)
        .find((earlier) => earlier.trunk !== trunk && globsOverlap(pattern, earlier.pattern));
      if (!other) return [];
      const message = `"${pattern}" can fit the same channel as "${other.pattern}" of line "${other.trunk.name}"; make one of them narrower`;
      return [yaml.problem('error', where, message)];
    });
  });
}

/** Employees whom no pattern would recognise. */
function checkEmployees({ hosts, allHosts, employees, defaultOwner, yaml }: Draft): Problem[] {
  if (!allHosts || hosts.length === 0) return [];
  const patterns = hosts.flatMap(({ value }) => value.extensions.map(extensionRegExp));
  const extensions = employees.map(({ value, path }) => ({ value: value.extension, path: [...path, 'extension'] }));
  return [...extensions, ...(defaultOwner ? [defaultOwner] : [])]
    .filter(({ value }) => !patterns.some((pattern) => pattern.test(value)))
    .map(({ value, path }) =>
      yaml.problem('error', path, `"${value}" fits no pattern of hosts[].extensions; correct one of the two`),
    );
}

/** Patterns of extensions that fit outside numbers too, or nobody. */
function checkPatterns({ hosts, dids, employees, allEmployees, yaml }: Draft): Problem[] {
  const outside = [...dids.map(({ value }) => value.number), ...employees.flatMap(({ value }) => value.mobiles)];
  const nobody = (pattern: RegExp): boolean =>
    allEmployees && employees.length > 0 && !employees.some(({ value }) => pattern.test(value.extension));
  return hosts.flatMap((host) =>
    host.value.extensions.flatMap((source, p) => {
      const path = [...host.path, 'extensions', p];
      const pattern = extensionRegExp(source);
      const both = outside.find((number) => pattern.test(number.slice(1)));
      if (both !== undefined) {
        const message = `"${source}" fits the outside number ${both} too; allow only as many digits as extensions have`;
        return [yaml.problem('error', path, message)];
      }
      if (!yaml.has(path) || !nobody(pattern)) return [];
      return [yaml.problem('warning', path, `"${source}" fits the extension of no employee`)];
    }),
  );
}

function checkDefaultDid({ defaultDid, dids, allDids, yaml }: Draft): Problem[] {
  if (!defaultDid || !allDids || dids.some(({ value }) => value.number === defaultDid.value)) return [];
  return [yaml.problem('error', defaultDid.path, `${defaultDid.value} is not among dids; add it there`)];
}

function checkEmployeeHosts({ hosts, allHosts, employees, yaml }: Draft): Problem[] {
  const known = hosts.map(({ value }) => value.id);
  return employees.flatMap(({ value: { host }, path }) => {
    if (host === undefined || !allHosts || known.includes(host)) return [];
    return [yaml.problem('error', [...path, 'host'], `there is no host "${host}"; known are ${known.join(', ')}`)];
  });
}

/** Plain http is for this machine only, and only where private addresses are allowed. What a name leads to is checked at each call. */
function checkWebhooks({ webhooks, yaml }: Draft): Problem[] {
  return webhooks.flatMap(({ value, path }) => {
    const { protocol, hostname } = new URL(value.url);
    const here = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
    if (protocol === 'https:' || (here && value.allow_private)) return [];
    const message = here
      ? 'http to this machine needs allow_private: true'
      : 'must begin with https://; http is for this machine only';
    return [yaml.problem('error', [...path, 'url'], message)];
  });
}

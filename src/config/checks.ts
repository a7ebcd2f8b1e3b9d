import type { EnterpriseYaml } from './enterprise-schema.ts';
import { extensionRegExp, globsOverlap } from './match.ts';
import type { Problem } from './problems.ts';
import type { YamlFile } from './yaml-file.ts';

/** A validated file, and where its parts stand. */
export interface CheckedFile {
  readonly yaml: YamlFile;
  readonly enterprise: EnterpriseYaml;
}

/** What the schema cannot see: keys of one enterprise's file that contradict each other. */
export function checkEnterprise(file: CheckedFile): Problem[] {
  return [
    ...checkUnique(file),
    ...checkTrunks(file),
    ...checkEmployees(file),
    ...checkPatterns(file),
    ...checkDids(file),
  ];
}

/** What no file can see alone: enterprises that get in each other's way. */
export function checkTogether(files: readonly CheckedFile[]): Problem[] {
  const ids = files.map((file) => ({ file, value: file.enterprise.id, path: ['id'] }));
  const numbers = files.map((file) => ({ file, value: file.enterprise.number, path: ['number'] }));
  const accounts = files.map((file) => ({ file, value: file.enterprise.retailcrm.url, path: ['retailcrm', 'url'] }));
  const dids = files.flatMap((file) =>
    file.enterprise.dids.map((did, i) => ({ file, value: did.number, path: ['dids', i, 'number'] })),
  );
  return [
    ...repeated(ids, 'across', (id) => `enterprise "${id}" is already in`),
    ...repeated(numbers, 'across', (number) => `number "${number}" already belongs to the enterprise in`),
    ...repeated(dids, 'across', (did) => `${did} already belongs to the enterprise in`),
    ...repeated(files.flatMap(addresses), 'across', (address) => `${address} is already a host of the enterprise in`),
    ...repeated(
      accounts,
      'across',
      () => 'both enterprises share one rate limit: the same account is already in',
      'warning',
    ),
  ];
}

/** A value and where it stands. */
interface Entry {
  readonly file: CheckedFile;
  readonly value: string;
  readonly path: readonly PropertyKey[];
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
    if (!earlier || (earlier.file === entry.file) !== (scope === 'within')) return [];
    const { file, line } = earlier.file.yaml.problem('error', earlier.path, '');
    const where = scope === 'across' ? `${file}:${line}` : `line ${line}`;
    return [entry.file.yaml.problem(severity, entry.path, `${says(entry.value)} ${where}`)];
  });
}

/** Where each host's manager interface is; one PBX under two ids would double every call. */
function addresses(file: CheckedFile): Entry[] {
  return file.enterprise.hosts.map(({ ami }, i) => ({
    file,
    value: `${ami.address}:${ami.port ?? (ami.tls ? 5039 : 5038)}`,
    path: ['hosts', i, 'ami', 'address'],
  }));
}

function checkUnique(file: CheckedFile): Problem[] {
  const { hosts, dids, employees } = file.enterprise;
  const entry = (value: string, ...path: PropertyKey[]): Entry => ({ file, value, path });
  const extensions = new Set<string>();
  const codes = employees.flatMap(({ code, extension }, i) => {
    // An extension given twice is told as that, not as its code once more.
    if (code === undefined && extensions.has(extension)) return [];
    extensions.add(extension);
    return [entry(code ?? extension, 'employees', i, code === undefined ? 'extension' : 'code')];
  });
  const names = hosts.flatMap(({ id, trunks }, h) =>
    trunks.map(({ name }, t) => ({ ...entry(name, 'hosts', h, 'trunks', t, 'name'), host: id })),
  );
  return [
    ...repeated(
      hosts.map((host, i) => entry(host.id, 'hosts', i, 'id')),
      'within',
      (id) => `host "${id}" is already in`,
    ),
    ...repeated(addresses(file), 'within', (address) => `${address} is already a host in`),
    ...hosts.flatMap(({ id }) =>
      repeated(
        names.filter(({ host }) => host === id),
        'within',
        (name) => `outside line "${name}" is already in`,
      ),
    ),
    ...repeated(
      dids.map((did, i) => entry(did.number, 'dids', i, 'number')),
      'within',
      (did) => `${did} is already in`,
    ),
    ...repeated(
      employees.map((employee, i) => entry(employee.extension, 'employees', i, 'extension')),
      'within',
      (extension) => `extension "${extension}" already belongs to the employee in`,
    ),
    ...repeated(codes, 'within', (code) => `CRM code "${code}" already belongs to the employee in`),
    ...repeated(
      employees.flatMap(({ mobiles }, e) => mobiles.map((mobile, i) => entry(mobile, 'employees', e, 'mobiles', i))),
      'within',
      (mobile) => `${mobile} is already a mobile in`,
    ),
  ];
}

function checkTrunks(file: CheckedFile): Problem[] {
  return file.enterprise.hosts.flatMap(({ trunks }, h) => {
    const patterns = trunks.flatMap((trunk, t) =>
      trunk.channels.map((pattern, c) => ({ pattern, trunk, path: ['hosts', h, 'trunks', t, 'channels', c] })),
    );
    return patterns.flatMap(({ pattern, trunk, path }, later) => {
      const other = patterns
        .slice(0, later)
        .find((earlier) => earlier.trunk !== trunk && globsOverlap(pattern, earlier.pattern));
      if (!other) return [];
      return [
        file.yaml.problem(
          'error',
          path,
          `"${pattern}" can fit the same channel as "${other.pattern}" of line "${other.trunk.name}"; make one of them narrower`,
        ),
      ];
    });
  });
}

/** Employees whom no pattern would recognise. */
function checkEmployees({ enterprise, yaml }: CheckedFile): Problem[] {
  const patterns = enterprise.hosts.flatMap((host) => host.extensions.map(extensionRegExp));
  const unknown = (extension: string, ...path: PropertyKey[]): Problem[] =>
    patterns.some((pattern) => pattern.test(extension))
      ? []
      : [yaml.problem('error', path, `"${extension}" fits no pattern of hosts[].extensions; correct one of the two`)];
  const owner = enterprise.policies.default_owner;
  return [
    ...enterprise.employees.flatMap(({ extension }, i) => unknown(extension, 'employees', i, 'extension')),
    ...(owner === undefined ? [] : unknown(owner, 'policies', 'default_owner')),
  ];
}

/** Patterns of extensions that fit outside numbers too, or nobody. */
function checkPatterns({ enterprise, yaml }: CheckedFile): Problem[] {
  const { hosts, employees, dids } = enterprise;
  const outside = [...dids.map(({ number }) => number), ...employees.flatMap(({ mobiles }) => mobiles)];
  return hosts.flatMap((host, h) =>
    host.extensions.flatMap((source, p) => {
      const path = ['hosts', h, 'extensions', p];
      const pattern = extensionRegExp(source);
      const both = outside.find((number) => pattern.test(number.slice(1)));
      if (both !== undefined) {
        return [
          yaml.problem(
            'error',
            path,
            `"${source}" fits the outside number ${both} too; allow only as many digits as extensions have`,
          ),
        ];
      }
      if (employees.length === 0 || !yaml.has(path) || employees.some(({ extension }) => pattern.test(extension)))
        return [];
      return [yaml.problem('warning', path, `"${source}" fits the extension of no employee`)];
    }),
  );
}

function checkDids({ enterprise, yaml }: CheckedFile): Problem[] {
  const { default_did: did, dids } = enterprise;
  if (did === undefined || dids.some(({ number }) => number === did)) return [];
  return [yaml.problem('error', ['default_did'], `${did} is not among dids; add it there`)];
}

/** Reads a seed that came as JSON. */

import type { Seed } from './seed.ts';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isMap: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isMaps: Check = (value) => Array.isArray(value) && value.every(isMap);
const hasId: Check = (value) => typeof value === 'object' && value !== null && 'id' in value && isNumber(value.id);
const hasIds: Check = (value) => Array.isArray(value) && value.every(hasId);

const ACCOUNT: Record<string, Check> = {
  name: isText,
  key: isText,
  keys: isMaps,
  host: isText,
  timezone: isText,
  sites: isTexts,
  users: hasIds,
  customers: isMaps,
  codes: (value) => value === null || isMap(value),
  clientId: isText,
  fileCredit: isNumber,
  triggers: isMaps,
};

/**
 * Checks the outline of a seed: known fields of the right kind. What is inside users and customers is taken as given.
 * @throws Error naming every field that is wrong.
 */
export function readSeed(given: unknown): Seed {
  const wrong: string[] = [];
  if (!isSeed(given, wrong)) throw new Error(wrong.join('; '));
  return given;
}

function isSeed(given: unknown, wrong: string[]): given is Seed {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    wrong.push('a seed is an object with accounts');
  else {
    for (const name of Object.keys(given)) if (name !== 'accounts') wrong.push(`unknown field ${name}`);
    const accounts: unknown = 'accounts' in given ? given.accounts : [];
    if (!Array.isArray(accounts)) wrong.push('accounts: a list expected');
    else accounts.forEach((account: unknown, index) => checkAccount(account, `accounts[${index}]`, wrong));
  }
  return wrong.length === 0;
}

function checkAccount(account: unknown, path: string, wrong: string[]): void {
  if (typeof account !== 'object' || account === null) {
    wrong.push(`${path}: an object expected`);
    return;
  }
  for (const [name, value] of Object.entries(account)) {
    const check = Object.hasOwn(ACCOUNT, name) ? ACCOUNT[name] : undefined;
    if (!check) wrong.push(`${path}.${name}: unknown field`);
    else if (!check(value)) wrong.push(`${path}.${name}: of the wrong kind`);
  }
}

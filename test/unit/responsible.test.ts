import { describe, expect, test } from '@jest/globals';
import type { AgiRequest } from '../../src/agi/protocol.ts';
import type { Found, KnownCustomer } from '../../src/customers/found.ts';
import type { ResponsibleReply } from '../../src/http/tenant.ts';
import { agiAnswers, Responsible, type ResponsibleOptions, type Routed, variablesOf } from '../../src/responsible.ts';

const anna: KnownCustomer = {
  id: 501,
  otherIds: [],
  name: 'Anna Lisitsa',
  managerId: 7,
  managerName: 'Ira Orlova',
  managerCode: '101',
  links: {},
};
const card = (changes: Partial<KnownCustomer> = {}): Found => ({
  who: 'customer',
  customer: { ...anna, ...changes },
  fetchedAt: 0,
  complete: true,
});
const never = new Promise<never>(() => undefined);

function responsible(
  found: Found | Promise<Found>,
  changes: Partial<ResponsibleOptions> = {},
  cached?: Found,
): Responsible {
  return new Responsible({
    enterprise: { country: 'BY' },
    customers: { cached: () => cached, lookup: () => Promise.resolve(found) },
    extensionOf: ({ id }) => (id === 7 ? '150' : undefined),
    users: { user: (id) => (id === 7 ? { name: 'Ira of the map' } : undefined), statusOf: () => undefined },
    agreed: () => undefined,
    withinMs: 20,
    ...changes,
  });
}

describe('who is responsible', () => {
  test('everything that is known', async () => {
    expect(await responsible(card(), { agreed: () => 'dinner' }).of('+375290000101')).toEqual({
      known: true,
      extension: '150',
      manager: 'Ira Orlova',
      customer: 'Anna Lisitsa',
      status: 'dinner',
    });
  });

  test.each<[string, Found, Partial<ResponsibleOptions>, Partial<ResponsibleReply>]>([
    ['a manager without an extension', card({ managerId: 9 }), {}, { extension: undefined, manager: 'Ira Orlova' }],
    [
      'a name the card lacks comes from the users map',
      card({ managerName: undefined }),
      {},
      { manager: 'Ira of the map' },
    ],
    [
      'no manager',
      card({ managerId: undefined, managerName: undefined }),
      {},
      { known: true, extension: undefined, manager: undefined },
    ],
    ['a card without a name', card({ name: undefined }), {}, { known: true, customer: undefined }],
    [
      'the status of the last list',
      card(),
      { users: { user: () => undefined, statusOf: () => 'break' } },
      { status: 'break' },
    ],
    [
      'a status nobody knows',
      card(),
      { users: { user: () => undefined, statusOf: () => 'vacation' } },
      { status: undefined },
    ],
    [
      'what was agreed since wins',
      card(),
      { users: { user: () => undefined, statusOf: () => 'break' }, agreed: () => 'free' },
      { status: 'free' },
    ],
    ['an extension nobody can dial', card(), { extensionOf: () => '150&SIP/evil' }, { extension: undefined }],
  ])('%s', async (_says, found, changes, reply) => {
    expect(await responsible(found, changes).of('+375290000101')).toMatchObject(reply);
  });

  test.each<[string, Found | Promise<Found>, Partial<ResponsibleOptions>, string]>([
    ['nobody has the number', { who: 'nobody', fetchedAt: 0, complete: true }, {}, '+375290000101'],
    ['the CRM could not be asked', { who: 'unknown' }, {}, '+375290000101'],
    ['the answer does not come', never, {}, '+375290000101'],
    ['the look-up breaks', Promise.reject(new Error('broken')), {}, '+375290000101'],
    ['look-ups are off', card(), { customers: undefined }, '+375290000101'],
    ['no number', card(), {}, 'anonymous'],
    ['a colleague', card(), {}, '151'],
    ['nonsense', card(), {}, '${SHELL(id)}'],
  ])('unknown: %s', async (_says, found, changes, phone) => {
    Promise.resolve(found).catch(() => undefined);
    expect(await responsible(found, changes).of(phone)).toEqual({ known: false });
  });

  test('what memory holds is better than nothing in time', async () => {
    expect(await responsible(never, {}, card()).of('+375290000101')).toMatchObject({ known: true, extension: '150' });
  });

  test('within 150 ms, whatever the CRM does', async () => {
    const answer = responsible(never, { withinMs: undefined }).of('+375290000101');
    // Timers fire in the order in which they are due, however late: a busy machine changes nothing.
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('late'), 150));
    expect(await Promise.race([answer, late])).toEqual({ known: false });
  });
});

const did = (number: string) => ({
  number,
  name: undefined,
  site: undefined,
  upload: true,
  createCustomers: undefined,
});

describe('the dial plan asks', () => {
  const asked: string[] = [];
  const enterprise = (id: string, ...dids: string[]): Routed => ({
    settings: { id, country: 'BY', dids: dids.map(did), defaultDid: undefined },
    responsible: (phone) => {
      asked.push(`${id} ${phone}`);
      return Promise.resolve({ known: true, extension: '150', customer: id });
    },
  });
  const request = (changes: Partial<AgiRequest> = {}): AgiRequest => ({
    script: 'responsible',
    query: new Map(),
    args: [],
    callerNumber: '+375290000101',
    dialled: '375171234501',
    uniqueid: '1.1',
    ...changes,
  });
  const two = [enterprise('acme', '+375171234501'), enterprise('other', '+375171234502')];
  const one = two.slice(0, 1);

  test.each<[string, Routed[], Partial<AgiRequest>, string[]]>([
    ["the channel's own numbers", two, {}, ['acme +375290000101']],
    ['a DID in national writing', two, { dialled: '80171234502' }, ['other +375290000101']],
    ['arguments win over the channel', two, { args: ['80290000102', '+375171234502'] }, ['other 80290000102']],
    [
      'the query wins over arguments',
      two,
      {
        query: new Map([
          ['phone', '1'],
          ['did', '+375171234502'],
        ]),
        args: ['2', '3'],
      },
      ['other 1'],
    ],
    ['an empty argument is none', two, { args: ['', ''] }, ['acme +375290000101']],
    ['the enterprise by name', two, { args: ['', '', 'other'] }, ['other +375290000101']],
    ['by name in the query', two, { query: new Map([['enterprise', 'other']]) }, ['other +375290000101']],
    ['a name nobody has is nobody, whatever the DID', two, { args: ['', '', 'nobody'] }, []],
    ['a DID nobody has', two, { dialled: 's' }, []],
    ['a DID nobody has, where there is one enterprise only', one, { dialled: 's' }, ['acme +375290000101']],
    ['no DID at all, where there is one enterprise only', one, { dialled: undefined }, ['acme +375290000101']],
    ['a caller without number', two, { callerNumber: undefined }, []],
  ])('%s', async (_says, enterprises, changes, questions) => {
    asked.length = 0;
    const variables = await agiAnswers(enterprises)(request(changes));
    expect(asked).toEqual(questions);
    expect(variables?.['CUSTOMER_KNOWN']).toBe(questions.length === 0 ? '0' : '1');
  });

  test('something else is not here', async () => {
    expect(await agiAnswers(one)(request({ script: 'other' }))).toBeUndefined();
  });

  test('every variable is always set', () => {
    expect(variablesOf({ known: false })).toEqual({
      RESPONSIBLE_EXT: '',
      RESPONSIBLE_STATUS: 'unknown',
      RESPONSIBLE_NAME: '',
      CUSTOMER_NAME: '',
      CUSTOMER_KNOWN: '0',
    });
  });
});

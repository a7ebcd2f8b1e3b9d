import { expect, test } from '@jest/globals';
import { attacked, full, hostileCorpus } from './corpus.ts';
import { type Sent, statusesOf } from './pipeline.ts';
import { pairs, secretsOf } from './support.ts';

const { clientId, token, secret } = secretsOf('acme');
const { acme, app, port } = await attacked();

hostileCorpus({ acme, app, port }, [
  {
    url: '/crm/{token}/makecall',
    methods: ['GET', 'POST'],
    values: {
      clientId,
      code: '101',
      userId: '7',
      phone: '+375291234567',
      externalPhone: '+375171234503',
      requestId: 'r',
    },
  },
  {
    url: '/crm/{token}/status',
    methods: ['GET', 'POST'],
    values: { clientId, userId: '7', code: '101', status: 'busy' },
  },
  {
    url: '/crm/{token}/activity',
    methods: ['POST'],
    values: { clientId, activity: '{"active":true}', systemUrl: 'https://a.ru' },
  },
  { url: '/crm/{token}/account', methods: ['GET', 'POST'], values: { clientId } },
  { url: '/account', methods: ['GET', 'POST'], values: { clientId } },
  { url: '/retailcrm/webhook', methods: ['GET', 'POST'], values: { clientId, secret, event: 'order.edit', id: '5' } },
]);

test(`${full ? '100,000' : '5,000'} forged callbacks: none is accepted, and the log stays quiet`, async () => {
  acme.asked.splice(0);
  let loud = 0;
  let accepted = 0;
  for (let from = 0; from < (full ? 100_000 : 5_000); from += 5_000) {
    app.log.lines.splice(0);
    const statuses = await statusesOf(
      port(),
      Array.from({ length: 5_000 }, (_, index) => forged(from + index)),
    );
    accepted += statuses.filter((status) => status < 400).length;
    loud += app.log.lines.filter(({ level }) => level !== 'debug').length;
  }
  expect(accepted).toBe(0);
  expect(acme.asked.filter(({ what }) => what !== 'refused')).toEqual([]);
  expect(acme.asked.length).toBeLessThan(10);
  expect(loud).toBeLessThan(10);
}, 120_000);

/** The n-th request with a wrong credential: every kind of wrong in turn. */
function forged(n: number): Sent {
  const guess = n % 4 === 0 ? token : `${token.slice(0, -8)}${n.toString(36).padStart(8, '0')}`;
  const values = {
    clientId: n % 4 === 1 ? clientId : `${clientId.slice(0, -8)}${n.toString(16).padStart(8, '0')}`,
    ...{ secret: `${secret}${n}`, phone: '101', code: '101', status: 'busy', activity: '{"active":false}' },
    ...{ event: 'order.edit', id: '5' },
  };
  const what = ['makecall', 'status', 'activity'][n % 3] ?? '';
  const target = n % 5 === 4 ? '/retailcrm/webhook' : `/crm/${guess}/${what}`;
  return { method: 'POST', target, body: pairs(values) };
}

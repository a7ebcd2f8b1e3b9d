import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { ActionReply } from '../../../src/http/tenant.ts';
import { projectRoot } from '../../../src/root.ts';
import { form, open, pairs, secretsOf, tenant } from './support.ts';

const { clientId, token, secret } = secretsOf('acme');

interface Operation {
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean }[];
  requestBody?: { content: Record<string, { schema: { properties: Record<string, unknown>; required?: string[] } }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

/** A good value of every parameter there is. */
const good: Readonly<Record<string, string>> = {
  ...{ clientId, token, secret, code: '101', userId: '7', phone: '+375291234567', externalPhone: '+375171234503' },
  ...{ requestId: 'r-1', status: 'busy', activity: '{"active":true}', systemUrl: 'https://acme.retailcrm.ru' },
  ...{
    event: 'order.edit',
    id: '5',
    callId: 'pbx1-1795339498.0',
    by: '100',
    kind: 'attended',
    to: '103',
    mode: 'listen',
  },
};

async function served(): Promise<Document> {
  const app = await open([tenant('acme')]);
  return (await app.inject('/openapi.json')).json();
}

const document = await served();
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test('it is OpenAPI 3 and names every route with its methods', () => {
  expect(document.openapi).toMatch(/^3\./);
  const listed = Object.entries(document.paths).map(
    ([path, methods]) => `${Object.keys(methods).sort().join(' ')} ${path}`,
  );
  expect(listed.sort()).toEqual([
    'get /api/responsible',
    'get /logo.svg',
    'get /openapi.json',
    'get post /account',
    'get post /api/hangup',
    'get post /api/makecallexternal',
    'get post /api/monitor',
    'get post /api/transfer',
    'get post /crm/{token}/account',
    'get post /crm/{token}/makecall',
    'get post /crm/{token}/status',
    'get post /retailcrm/webhook',
    'post /crm/{token}/activity',
  ]);
});

test('nothing but the 405 of the other method is hidden from it', () => {
  const sources = readdirSync(join(projectRoot(), 'src/http')).map((name) =>
    readFileSync(join(projectRoot(), 'src/http', name), 'utf8'),
  );
  expect(sources.join('').match(/hide: true/g)).toHaveLength(1);
});

describe.each(operations)('$method $path', ({ path, method, operation }) => {
  const properties = Object.values(operation.requestBody?.content ?? {})[0]?.schema.properties ?? {};
  const names = [
    ...(operation.parameters ?? []).filter(({ in: where }) => where === 'query').map(({ name }) => name),
    ...Object.keys(properties),
  ];
  const request = async (change: Readonly<Record<string, string>> = {}, more: Parameters<typeof tenant>[1] = {}) => {
    const app = await open([tenant('acme', more)]);
    const values = pairs({ ...Object.fromEntries(names.map((name) => [name, good[name] ?? ''])), ...change });
    const url = path.replace('{token}', token);
    return method === 'get'
      ? app.inject(`${url}?${values}`)
      : app.inject({ method: 'POST', url, headers: form, payload: values });
  };

  test('has a summary and a value for each parameter in this test', () => {
    expect(operation.summary?.length).toBeGreaterThan(10);
    expect(names.filter((name) => good[name] === undefined)).toEqual([]);
  });

  test('answers as the document says', async () => {
    expectDocumented(operation, await request());
  });

  test('refuses as the document says', async () => {
    if (names.includes('clientId')) expectDocumented(operation, await request({ clientId: 'x' }), 'refused');
    const refusal: ActionReply = { outcome: 'refused', status: 409, code: 'x', message: 'y' };
    const refuse = (): Promise<never> => Promise.resolve(refusal as never);
    const all = { makeCall: refuse, transfer: refuse, monitor: refuse, hangup: refuse };
    expectDocumented(operation, await request({}, all));
    expect(operation.responses['200']).toBeDefined();
  });

  test.each(['docs/api.md', 'docs/api.ru.md'])('is explained in %s', (page) => {
    expect(readFileSync(join(projectRoot(), page), 'utf8')).toContain(`${method.toUpperCase()} ${path}`);
  });
});

/** The status is in the document, and the body is what its schema says: nothing missing, nothing more. */
function expectDocumented(
  operation: Operation,
  reply: { statusCode: number; headers: Record<string, unknown>; body: string },
  what = 'answered',
): void {
  const response = operation.responses[String(reply.statusCode)];
  expect([what, reply.statusCode, response?.description]).toEqual([what, reply.statusCode, expect.any(String)]);
  const [type = '', media] = Object.entries(response?.content ?? {})[0] ?? [];
  expect(String(reply.headers['content-type'])).toContain(type);
  if (type !== 'application/json') return;
  const schema = z.fromJSONSchema(strict(media?.schema ?? {}) as Parameters<typeof z.fromJSONSchema>[0]);
  expect(schema.safeParse(JSON.parse(reply.body)).error?.message).toBeUndefined();
}

/** Objects may hold nothing the document does not name. */
function strict(schema: object): object {
  if (!('properties' in schema)) return schema;
  const properties = Object.entries(schema.properties as Record<string, object>);
  return {
    additionalProperties: false,
    ...schema,
    properties: Object.fromEntries(properties.map(([name, inner]) => [name, strict(inner)])),
  };
}

import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../log.ts';
import { logo } from './accountPage.ts';
import { Failures } from './admission.ts';
import { apiRoutes } from './api.ts';
import { callbackRoutes } from './callbacks.ts';
import type { HttpFigures } from './figures.ts';
import { type HttpLimits, createHttp } from './server.ts';
import type { Tenant } from './tenant.ts';

/** What the listener for the CRM and for scripts needs. */
export interface PublicOptions {
  readonly log: Logger;
  readonly figures: HttpFigures;
  readonly version: string;
  /** The running enterprises; asked at each request. */
  readonly tenants: () => readonly Tenant[];
  readonly trustProxy?: readonly string[] | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  /** Refused requests of one address in a minute that still get the plain answer. Default 30. */
  readonly failuresPerMinute?: number | undefined;
  /** Most a callback, an action, and the look-up of who is responsible may take, milliseconds. Default 1,800, 8,000, 150. */
  readonly callbackMs?: number | undefined;
  readonly apiMs?: number | undefined;
  readonly responsibleMs?: number | undefined;
}

/** The listener for callbacks of the CRM and for the API, ready to listen. */
export async function publicHttp(options: PublicOptions): Promise<FastifyInstance> {
  const { log, figures, tenants } = options;
  const app = createHttp({ log, figures, limits: options.limits, trustProxy: options.trustProxy });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'asterisk-retailcrm',
        version: options.version,
        description:
          'Callbacks of RetailCRM and the API for scripts. Every parameter may come in the query, a form or a flat JSON object.',
        license: { name: 'MIT' },
      },
    },
    hideUntagged: false,
  });
  const context = {
    ...{ log, figures, tenants },
    failures: new Failures(options.failuresPerMinute ?? 30, () => performance.now()),
    callbackMs: options.callbackMs ?? 1_800,
    apiMs: options.apiMs ?? 8_000,
    responsibleMs: options.responsibleMs ?? 150,
  };
  callbackRoutes(app, context);
  apiRoutes(app, context);
  app.get('/logo.svg', {
    schema: {
      summary: 'The module’s logo',
      tags: ['Pages'],
      response: { 200: { description: 'SVG', content: { 'image/svg+xml': { schema: { type: 'string' } } } } },
    },
    handler: (_request, reply) =>
      reply.type('image/svg+xml').header('cache-control', 'public, max-age=86400').send(logo),
  });
  let document: string | undefined; // it is long, and anybody may ask for it
  app.get('/openapi.json', {
    schema: {
      summary: 'This document',
      tags: ['Pages'],
      response: {
        200: {
          description: 'OpenAPI 3.1',
          content: { 'application/json': { schema: { type: 'object', additionalProperties: true } } },
        },
      },
    },
    handler: (_request, reply) =>
      reply.type('application/json; charset=utf-8').send((document ??= JSON.stringify(app.swagger()))),
  });
  await app.ready();
  return app;
}

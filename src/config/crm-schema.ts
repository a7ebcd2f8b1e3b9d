import { z } from 'zod';
import { ipRange, list, secret, slug, text, timezone } from './schema-parts.ts';

/** Our module in the account. */
const moduleSchema = z
  .strictObject({
    code: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower-case letters, digits and dashes, such as "asterisk-acme"')
      .optional()
      .describe('Code of our module in the account. Default: asterisk- and the id.'),
    name: text.default('Asterisk').describe('Name people see in the CRM. Default Asterisk.'),
    logo: z
      .string()
      .regex(/^https:\/\/\S+\.svg$/, 'must be the https address of an SVG picture')
      .optional()
      .describe('https address of an SVG picture. Default: the one the daemon serves under http.public_url.'),
    at_start: z
      .boolean()
      .default(true)
      .describe('Register at every start of the daemon; false: only by "module register". Default true.'),
    allow_from: list(ipRange, 100)
      .default([])
      .describe("Addresses the CRM's callbacks may come from, IP or IP/bits. Default: any."),
  })
  .describe("Our telephony module in the account: click-to-call, statuses, employees' codes. Needs http.public_url.");

/** `retailcrm:` of an enterprise. */
export const retailcrmSchema = z
  .strictObject({
    url: z
      .string()
      .refine(isCrmUrl, 'must be the address of the account and nothing more, such as "https://acme.retailcrm.ru"')
      .describe("Address of the account. https, unless allow_insecure and the address is this machine's own."),
    key: secret.describe('API key with access to telephony, customers, users, settings and references.'),
    site: text.optional().describe('Code of the site (shop) calls belong to when their DID names none.'),
    webhook_secret: secret.optional().describe("The account's webhook secret, for triggers that call us back."),
    timezone: timezone.optional().describe("Zone of the account's times. Default: asked from the CRM's settings."),
    module: moduleSchema.optional(),
    allow_insecure: z
      .boolean()
      .default(false)
      .describe('Allows http:// to 127.0.0.1, ::1 or localhost: for the emulator. Default false.'),
  })
  .refine((crm) => crm.allow_insecure || !crm.url.startsWith('http:'), {
    path: ['url'],
    error: 'must start with https:// (http:// is only for the emulator on this machine, with "allow_insecure: true")',
  })
  .describe('The RetailCRM account.');

const createWhen = z.enum(['in_answered', 'in_missed', 'out_answered', 'out_missed']);

/** Kinds of calls that make a customer. */
export const createWhenList = list(createWhen, 4);

const sourceSchema = z.strictObject({
  source: text.optional().describe('Source, as the CRM calls it.'),
  medium: text.optional().describe('Medium.'),
  campaign: text.optional().describe('Campaign.'),
});

const missedSchema = z
  .strictObject({
    order: z
      .strictObject({
        method: text.default('missed-call').describe('Code of the order method. Default missed-call.'),
        status: text.optional().describe("Code of the order's first status. Default: the CRM's."),
        comment: text
          .default('{phone} → {did}, {time}')
          .describe('Manager\'s comment; {phone} {did} {time}. Default "{phone} → {did}, {time}".'),
      })
      .optional()
      .describe('Make an order. Default: none.'),
    task: z
      .strictObject({
        text: text.default('{phone}').describe('What is to be done; {phone} {did} {time}. Default "{phone}".'),
        within_minutes: z
          .int()
          .min(1)
          .max(10_080)
          .default(30)
          .describe('Deadline, minutes after the call, 1 to 10080. Default 30.'),
        performer: text
          .default('responsible')
          .describe(
            "Extension, or responsible: the customer's manager, else policies.default_owner. Default responsible.",
          ),
      })
      .optional()
      .describe('Make a task. Default: none.'),
    note: text.optional().describe("Note on the customer's card; {phone} {did} {time}. Default: none."),
  })
  .prefault({})
  .describe('What an incoming call nobody answered leaves in the CRM besides its record.');

const orderRuleSchema = z.strictObject({
  status: text.describe('Code of the status.'),
  action: z
    .enum(['call', 'pause', 'notify'])
    .describe(
      "call: the manager's phone rings and calls the customer. pause: her queues pause. notify: a message in the CRM.",
    ),
  text: text.optional().describe('Text of the message; {order} {customer} {status}.'),
});

/** `customers:` of an enterprise. */
export const customersSchema = z
  .strictObject({
    lookup: z.boolean().default(true).describe('Ask the CRM who calls. Default true.'),
    fresh_minutes: z
      .int()
      .min(1)
      .max(43_200)
      .default(360)
      .describe('After so many minutes a known number is asked again, 1 to 43200. Default 360.'),
    miss_minutes: z
      .int()
      .min(1)
      .max(43_200)
      .default(10)
      .describe('After so many minutes an unknown number is asked again, 1 to 43200. Default 10.'),
    create: z
      .strictObject({
        when: createWhenList.default([]).describe('Calls of new numbers that make a customer. Default: none.'),
        name: text
          .default('{phone}')
          .describe('First name of the new customer; {phone} {name} {did}. Default "{phone}".'),
        manager: z
          .union([z.enum(['employee', 'none']), z.int().min(1)], {
            error: 'must be employee, none or the id of a CRM user',
          })
          .default('employee')
          .describe(
            'Whose customer: employee (who answered or dialled), none, or the id of a CRM user. Default employee.',
          ),
        source: sourceSchema.optional().describe('Source of the customer in the CRM. Default: none.'),
        external_id_prefix: z
          .string()
          .regex(/^[A-Za-z0-9_.-]{0,32}$/, 'must be at most 32 letters, digits, dots, dashes and underscores')
          .default('tel-')
          .describe('externalId of the customer is this and the digits; "" sends none. Default "tel-".'),
      })
      .prefault({})
      .describe('Customers made of new numbers.'),
    missed: missedSchema,
    history_minutes: z
      .int()
      .min(0)
      .max(1440)
      .default(5)
      .describe("Minutes between looks at the CRM's history of customers and orders, 0 to 1440; 0: never. Default 5."),
    order_rules: list(orderRuleSchema, 100).default([]).describe('What happens when an order reaches a status.'),
  })
  .prefault({})
  .describe('Who is calling, and what is made of it.');

/** `webhooks[]` of an enterprise. */
export const webhookSchema = z.strictObject({
  id: slug.describe('Short name of the receiver.'),
  url: z
    .string()
    .refine(isWebhookUrl, 'must be an https address without user and password, such as "https://bi.example/calls"')
    .describe('Its address: https, or http to this machine with allow_private.'),
  secret: secret.describe('Its secret as Standard Webhooks write it: whsec_ and base64 of 24 to 64 bytes.'),
  events: list(z.enum(['call.incoming', 'call.outgoing', 'call.answered', 'call.finished', 'call.missed']), 5)
    .min(1, 'must name at least one event')
    .default(['call.incoming', 'call.outgoing', 'call.answered', 'call.finished', 'call.missed'])
    .describe('What it is told. Default: all five.'),
  allow_private: z
    .boolean()
    .default(false)
    .describe('Its address may be a private one or this machine. Default false.'),
});

/** Whether the URL is a bare https (or loopback http) origin with an optional path. */
function isCrmUrl(value: string): boolean {
  if (!URL.canParse(value) || /[\s?#]/.test(value)) return false;
  const url = new URL(value);
  if (url.username !== '' || url.password !== '') return false;
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && loopback);
}

function isWebhookUrl(value: string): boolean {
  if (!URL.canParse(value) || /\s/.test(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

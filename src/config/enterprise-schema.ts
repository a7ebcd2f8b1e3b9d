import { z } from 'zod';
import { clickToCallSchema, statusesSchema } from './click-schema.ts';
import { createWhenList, customersSchema, retailcrmSchema, webhookSchema } from './crm-schema.ts';
import { hostSchema } from './host-schema.ts';
import { policiesSchema } from './policies-schema.ts';
import { RECORDING_PLACEHOLDERS, country, e164, extension, list, slug, text, timezone } from './schema-parts.ts';

/** One number customers dial. */
export const didSchema = z.strictObject({
  number: e164.describe('The number customers dial, E.164 and quoted: "+375171234503".'),
  name: text.optional().describe('What people call it: "Advertising", "Shop in Brest".'),
  site: text.optional().describe('Code of the CRM site (shop) of calls to this number.'),
  upload: z.boolean().default(true).describe('false: calls to this number are not told to the CRM. Default true.'),
  create_customers: createWhenList
    .optional()
    .describe('Calls to this number that make a customer. Default: customers.create.when.'),
});

/** One employee. */
export const employeeSchema = z.strictObject({
  extension: extension.describe('Her extension on the PBX, quoted: "150".'),
  user: z.int().min(1).optional().describe('Id of her user in the CRM. Default: found by the code.'),
  name: text.optional().describe('Her name, for logs and pages.'),
  mobiles: list(e164)
    .default([])
    .describe('Her own mobile phones: a call from one is not a customer call, a forward to one is answered by her.'),
  code: text.optional().describe('The code the CRM knows her by, if it is not the extension.'),
  role: z
    .enum(['employee', 'supervisor'])
    .default('employee')
    .describe("supervisor: may listen to, transfer and end other people's calls through the API. Default employee."),
  host: slug.optional().describe('Id of the host her phone is on. Default: the first one.'),
});

const recordingsSchema = z
  .strictObject({
    url: z
      .string()
      .superRefine((url, context) => {
        const wrong = recordingUrlError(url);
        if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
      })
      .describe(`Link of a recording. Placeholders: ${RECORDING_PLACEHOLDERS.map((word) => `{${word}}`).join(' ')}.`),
    directory: text
      .optional()
      .describe(
        'Directory where the files appear, with the placeholders of url if there is one per day; a link is sent once its file is there and no longer grows.',
      ),
    wait_seconds: z
      .int()
      .min(0)
      .max(3600)
      .default(60)
      .describe('How long the upload of a call waits for its recording, seconds, 0 to 3600. Default 60.'),
  })
  .describe('How recordings of calls are linked. Default: they are not.');

/** One enterprise: one file. */
export const enterpriseSchema = z
  .strictObject({
    id: slug.describe('Short name, part of every row and log line. Never change it once calls are stored.'),
    number: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, dashes and underscores, quoted: "1001"')
      .describe('The enterprise\'s number (enterprise_number), quoted: "1001".'),
    name: text.optional().describe('What people call it.'),
    country: country.describe('Country whose national number forms are understood first, two letters: BY.'),
    timezone: timezone.optional().describe("Zone of dates in recording links and reports. Default: the CRM account's."),
    retailcrm: retailcrmSchema,
    hosts: list(hostSchema, 200).min(1, 'must name at least one Asterisk').describe('The Asterisk servers.'),
    dids: list(didSchema).default([]).describe('The numbers customers dial.'),
    default_did: e164.optional().describe('Our number in the CRM when a call tells none; one of dids.'),
    employees: list(employeeSchema).default([]).describe('Who answers the phone, and who she is in the CRM.'),
    recordings: recordingsSchema.optional(),
    policies: policiesSchema,
    click_to_call: clickToCallSchema.optional(),
    customers: customersSchema,
    statuses: statusesSchema,
    webhooks: list(webhookSchema, 20).default([]).describe('Who else is told of calls.'),
  })
  .describe('An enterprise of the asterisk-retailcrm daemon');

/** The file as the operator may write it, defaults filled in. */
export type EnterpriseYaml = z.output<typeof enterpriseSchema>;

/** What is wrong with a link of recordings; undefined = nothing. */
function recordingUrlError(url: string): string | undefined {
  const used = [...url.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? '');
  const known: readonly string[] = RECORDING_PLACEHOLDERS;
  const strange = used.find((word) => !known.includes(word));
  if (strange !== undefined) return `has the unknown placeholder {${strange}}; known are {${known.join('}, {')}}`;
  if (!['uniqueid', 'linkedid', 'file'].some((word) => used.includes(word))) {
    return 'must hold {file}, {uniqueid} or {linkedid}: else all calls would have the same recording';
  }
  const filled = url.replace(/\{[^{}]*\}/g, 'x');
  if (!/^https?:\/\//.test(filled) || !URL.canParse(filled) || /[\s{}]/.test(filled)) {
    return 'must be a link such as "https://rec.example/{date}/{file}"';
  }
  const { username, password } = new URL(filled);
  return username === '' && password === ''
    ? undefined
    : 'must not hold a user or password: the link is shown in the CRM';
}

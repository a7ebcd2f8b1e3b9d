import { z } from 'zod';
import { list, numberPattern, text } from './schema-parts.ts';

const template = text
  .regex(/^[A-Za-z0-9]+\/[A-Za-z0-9_.@{}-]*\{extension\}[A-Za-z0-9_.@-]*$/, 'must be a channel with {extension} in it')
  .default('PJSIP/{extension}');

/** `click_to_call:` of an enterprise. */
export const clickToCallSchema = z
  .strictObject({
    context: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,79}$/, 'must be the name of a dial plan context')
      .default('from-internal')
      .describe("Dial plan context of employees' outgoing calls. Default from-internal."),
    priority: z.int().min(1).max(999).default(1).describe('Priority in it, 1 to 999. Default 1.'),
    channel: template.describe("Channel of an employee's phone. Default PJSIP/{extension}."),
    timeout_seconds: z
      .int()
      .min(5)
      .max(120)
      .default(30)
      .describe('How long her phone rings, seconds, 5 to 120. Default 30.'),
    auto_answer: z
      .strictObject({
        variable: z
          .string()
          .regex(
            /^(?:[A-Za-z_][A-Za-z0-9_]{0,63}|PJSIP_HEADER\(add,[A-Za-z][A-Za-z0-9-]{0,39}\))$/,
            'must be the name of a channel variable, or PJSIP_HEADER(add,NAME)',
          )
          .describe('PJSIP_HEADER(add,NAME) for PJSIP, SIPADDHEADER51 for chan_sip, or another channel variable.'),
        value: z
          .string()
          .regex(/^[^\p{Cc},]{1,200}$/u, 'must be 1 to 200 characters without commas: AMI splits variables there')
          .describe('Its value, without commas.'),
      })
      .optional()
      .describe('Variable that makes her phone answer by itself. Default: she picks up.'),
    allow: list(numberPattern)
      .min(1, 'must allow at least one number, or be left out')
      .optional()
      .describe('Numbers that may be called, * for any digits. Default: all of the country.'),
    dial: z
      .enum(['e164', 'digits', 'national'])
      .default('e164')
      .describe(
        'How the number is dialled: e164 +375291112233, digits 375291112233, national 80291112233. Default e164.',
      ),
    per_employee_per_minute: z
      .int()
      .min(1)
      .max(60)
      .default(6)
      .describe('Most clicks of one employee in a minute, 1 to 60. Default 6.'),
    per_enterprise_per_minute: z
      .int()
      .min(1)
      .max(1000)
      .default(60)
      .describe('Most clicks of all in a minute, 1 to 1000. Default 60.'),
  })
  .describe('Click-to-call. Without this section it is off; {} switches it on.');

/** `statuses:` of an enterprise. */
export const statusesSchema = z
  .strictObject({
    to_pbx: z
      .boolean()
      .default(false)
      .describe('Busy, dinner and break in the CRM pause the employee in her queues. Default false.'),
    to_crm: z
      .boolean()
      .default(false)
      .describe("A pause in a queue sets the employee's status in the CRM. Default false."),
    interface: template.describe('How queues name an employee. Default PJSIP/{extension}.'),
    queues: list(text, 200).default([]).describe('Queues that are paused. Default: all she is a member of.'),
  })
  .prefault({})
  .describe("Employees' status in the CRM and in the queues.");

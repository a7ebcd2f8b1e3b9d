import { z } from 'zod';
import { extension, list, numberPattern } from './schema-parts.ts';

const logOrDrop = z.enum(['log', 'drop']);

/** The enterprise's decisions; every one has a default. */
export const policiesSchema = z
  .strictObject({
    owner: z
      .enum(['last_talker', 'first_talker', 'longest_talker'])
      .default('last_talker')
      .describe('Whose the call is when several employees talked. Default last_talker.'),
    default_owner: extension.optional().describe('Extension that owns missed calls nobody else owns. Default: nobody.'),
    close_losers: z
      .enum(['on_answer', 'at_end'])
      .default('on_answer')
      .describe('When popups of colleagues who did not answer close. Default on_answer.'),
    forwarded_legs: z
      .enum(['part_of_call', 'own_call'])
      .default('part_of_call')
      .describe(
        'Whether a leg forwarded or transferred to an outside number is a call of its own. Default part_of_call.',
      ),
    anonymous: z
      .strictObject({
        upload: z.boolean().default(true).describe('Whether calls without a number are told to the CRM. Default true.'),
        placeholder: z
          .string()
          .regex(/^[+0-9A-Za-z-]{1,32}$/, 'must be 1 to 32 letters, digits, + or -')
          .default('anonymous')
          .describe('Sent as their phone. Default "anonymous".'),
      })
      .prefault({})
      .describe('Callers who hide their number.'),
    voicemail: logOrDrop.default('log').describe('Calls voice mail took: log as not answered, or drop. Default log.'),
    off_hours: logOrDrop
      .default('log')
      .describe('Calls that only heard that we are closed (contexts.off_hours of a host). Default log.'),
    ivr_only: logOrDrop
      .default('log')
      .describe('Calls whose caller left in the menu, before anybody rang. Default log.'),
    employee_mobiles: logOrDrop.default('drop').describe("Calls from and to an employee's own mobile. Default drop."),
    click_not_answered: logOrDrop
      .default('drop')
      .describe('Click-to-calls whose employee did not pick up. Default drop.'),
    blacklist: list(numberPattern)
      .default([])
      .describe('Numbers never told to the CRM, in full, * for any digits: "+37529000*".'),
    minimum_seconds: z
      .int()
      .min(0)
      .max(60)
      .default(0)
      .describe(
        'Incoming calls nobody answered that were shorter than this many seconds, 0 to 60, are dropped. Default 0: none.',
      ),
    popups: z
      .strictObject({
        in: z.boolean().default(true).describe('When her phone rings. Default true.'),
        out: z.boolean().default(true).describe('When she dials. Default true.'),
        hangup: z.boolean().default(true).describe('When it is over. Default true.'),
      })
      .prefault({})
      .describe('Which call events (popups) the CRM gets.'),
  })
  .prefault({})
  .describe('What the enterprise wants to see in the CRM, and how.');

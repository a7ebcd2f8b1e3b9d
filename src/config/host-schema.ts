import { z } from 'zod';
import { address, channelPattern, country, extensionPattern, list, secret, slug, text } from './schema-parts.ts';

const tlsSchema = z
  .strictObject({
    ca: text
      .optional()
      .describe('PEM file of the CA or self-signed certificate, relative to this file. Default: the system CAs.'),
    servername: address.optional().describe('Name the certificate must carry. Default: the address.'),
    reject_unauthorized: z
      .literal(true, {
        error: 'must be true or left out: certificates are always verified; name a self-signed one as ca',
      })
      .optional()
      .describe('Always true: certificates are verified.'),
  })
  .describe('Speak TLS to the manager interface (tlsenable = yes in manager.conf).');

const amiSchema = z
  .strictObject({
    address: address.describe('Host name or IP address of the manager interface.'),
    port: z.int().min(1).max(65535).optional().describe('TCP port, 1 to 65535. Default 5038, with tls 5039.'),
    user: text
      .regex(/^[^\s]+$/, 'must not hold spaces')
      .describe('Section of manager.conf with read = call,system and write = originate,reporting.'),
    secret: secret.describe("That section's secret."),
    tls: tlsSchema.optional(),
    allow_plaintext_login: z
      .boolean()
      .default(false)
      .describe('Send the password itself if the PBX refuses MD5 and there is no TLS. Default false.'),
  })
  .describe("Asterisk's manager interface (AMI).");

const trunkSchema = z.strictObject({
  name: slug.describe('Short name of the outside line.'),
  channels: list(channelPattern, 50)
    .min(1, 'must name at least one channel, such as "PJSIP/provider"')
    .describe('Its channels as "core show channels" names them, without -xxxxxxxx; * stands for anything.'),
  country: country.optional().describe("Country whose national number forms the line uses. Default: the enterprise's."),
  internal: z
    .boolean()
    .default(false)
    .describe('true: a line to another PBX of ours; calls on it are no customer calls. Default false.'),
});

/** One Asterisk of an enterprise. */
export const hostSchema = z.strictObject({
  id: slug.describe('Short name, first part of the ids the CRM sees. Never change it once calls are stored.'),
  ami: amiSchema,
  trunks: list(trunkSchema, 50).min(1, 'must name at least one outside line').describe('The outside lines.'),
  extensions: list(extensionPattern, 50)
    .min(1, 'must have at least one pattern, or be left out')
    .default(['[0-9]{2,5}'])
    .describe("Regular expressions of employees' extensions, each for the whole number. Default: 2 to 5 digits."),
  contexts: z
    .strictObject({
      off_hours: list(text).default([]).describe('Contexts that only tell the caller that we are closed.'),
    })
    .prefault({})
    .describe('Dial plan contexts that tell what happened to a call.'),
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecretRef } from './settings.ts';

/** A secret cannot be had. Names the key and the place, never the value. */
export class SecretError extends Error {
  override name = 'SecretError';
}

/** No real secret is longer; a wrong path may lead to a huge file. */
const LONGEST_SECRET = 64 * 1024;

/**
 * Reads the secret, now. A last line break is not part of it.
 * @throws {SecretError} it is not set, missing, unreadable or empty
 */
export function resolveSecret(ref: SecretRef, env: NodeJS.ProcessEnv = process.env): string {
  const value = ref.from === 'env' ? fromEnvironment(ref, env) : fromFile(ref, env);
  const secret = value.replace(/\r?\n$/, '');
  if (secret === '') throw new SecretError(`${ref.key}: ${place(ref)} is empty`);
  // One header or AMI line each: a secret with a line break inside is a wrong file, e.g. a certificate.
  if (/[\r\n\0]/.test(secret)) throw new SecretError(`${ref.key}: ${place(ref)} must hold one line, the secret itself`);
  return secret;
}

function fromEnvironment(ref: SecretRef, env: NodeJS.ProcessEnv): string {
  const value = env[ref.name];
  if (value === undefined) throw new SecretError(`${ref.key}: ${place(ref)} is not set`);
  return value;
}

function fromFile(ref: SecretRef, env: NodeJS.ProcessEnv): string {
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (ref.from === 'credential' && !directory) {
    throw new SecretError(
      `${ref.key}: ${place(ref)} cannot be read: no CREDENTIALS_DIRECTORY (run under systemd with LoadCredential=${ref.name}:/path)`,
    );
  }
  const path = ref.from === 'credential' ? join(directory ?? '', ref.name) : ref.name;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > LONGEST_SECRET) throw new SecretError(`${ref.key}: ${place(ref)} is too large for a secret`);
    return bytes.toString('utf8');
  } catch (error) {
    if (error instanceof SecretError) throw error;
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unreadable';
    throw new SecretError(`${ref.key}: ${place(ref)} cannot be read (${code})`);
  }
}

function place(ref: SecretRef): string {
  return { env: 'environment variable', file: 'file', credential: 'credential' }[ref.from] + ` ${ref.name}`;
}

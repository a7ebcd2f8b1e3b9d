/** What the emulator answers, and the one way a handler refuses: by throwing a `Refusal`. */

import type { Switches } from './switches.ts';

/** An HTTP reply before it is written. */
export interface Reply {
  status: number;
  /** `Content-Type`. */
  type: string;
  body: string | Buffer;
  headers?: Record<string, string>;
}

/** Texts by field path, for example `calls[1].result`. */
export type Problems = Record<string, string>;

/** Thrown by handlers; carries the reply to give. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(`refused with ${reply.status}`);
    this.reply = reply;
  }
}

/** A JSON reply. */
export function json(status: number, body: unknown, headers?: Record<string, string>): Reply {
  const reply: Reply = { status, type: 'application/json; charset=utf-8', body: JSON.stringify(body) };
  return headers ? { ...reply, headers } : reply;
}

/** `{"success": true, ...}` with status 200. */
export function ok(fields: Record<string, unknown> = {}): Reply {
  return json(200, { success: true, ...fields });
}

/** The page a web server in front of the CRM gives. */
export function serverPage(status: number, title: string): Reply {
  const heading = `${status} ${title}`;
  const body = `<html>\r\n<head><title>${heading}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
  return { status, type: 'text/html', body };
}

/** `{"success": false, "errorMsg": …, …}` to be thrown. */
export function refusal(status: number, errorMsg: string, extras: Record<string, unknown> = {}): Refusal {
  return new Refusal(json(status, { success: false, errorMsg, ...extras }));
}

/** 400 with `errors` in the shape the switches ask for. */
export function invalid(switches: Switches, problems: Problems, errorMsg = 'Errors in the entity format'): Refusal {
  return refusal(400, errorMsg, { errors: shaped(switches, problems) });
}

/** 400 `Errors in the input parameters`: a bad filter, page or limit. */
export function badParameters(switches: Switches, problems: Problems): Refusal {
  return invalid(switches, problems, 'Errors in the input parameters');
}

/** Throws `invalid` if there is any problem. */
export function refuseIfAny(switches: Switches, problems: Problems): void {
  if (Object.keys(problems).length > 0) throw invalid(switches, problems);
}

/** `errors` as a map, or as a list of `path: text`. */
export function shaped(switches: Switches, problems: Problems): Problems | string[] {
  if (switches.errorsShape === 'map') return problems;
  return Object.entries(problems).map(([path, text]) => `${path}: ${text}`);
}

/** PHP writes an empty map as an empty list. */
export function phpMap(map: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | [] {
  return Object.keys(map).length === 0 ? [] : map;
}

const TEXTS = {
  en: {
    blank: 'This value should not be blank.',
    choice: 'The value you selected is not a valid choice.',
    invalid: 'This value is not valid.',
    count: 'This collection should contain from 1 to 50 elements.',
    used: 'This value is already used.',
    unknown: 'The referenced entity does not exist.',
    extra: 'This form should not contain extra fields.',
    oneOf: 'Set one of the following fields: id, externalId',
    addressee: 'Set one of the following fields: codes, userIds',
    prefix: 'Code prefix must match integrationCode',
    together: 'sinceId and page cannot be used together.',
  },
  ru: {
    blank: 'Значение не должно быть пустым.',
    choice: 'Выбранное Вами значение недопустимо.',
    invalid: 'Значение недопустимо.',
    count: 'Эта коллекция должна содержать от 1 до 50 элементов.',
    used: 'Это значение уже используется.',
    unknown: 'Указанный объект не существует.',
    extra: 'Эта форма не должна содержать дополнительных полей.',
    oneOf: 'Укажите одно из полей: id, externalId',
    addressee: 'Укажите одно из полей: codes, userIds',
    prefix: 'Code prefix must match integrationCode',
    together: 'Нельзя использовать sinceId и page одновременно.',
  },
} as const;

/** The validation texts in the language of the account. */
export function texts(switches: Switches): Record<keyof (typeof TEXTS)['en'], string> {
  return TEXTS[switches.language];
}

import { readId } from './customers.ts';
import type { Fields } from './read.ts';

/** A user of the CRM. */
export interface User {
  readonly id: number;
  readonly active: boolean | undefined;
  readonly email: string | undefined;
  readonly firstName: string | undefined;
  readonly lastName: string | undefined;
  readonly patronymic: string | undefined;
  readonly position: string | undefined;
  readonly phone: string | undefined;
  /** `free`, `busy`, `dinner`, `break`; others may come. */
  readonly status: string | undefined;
  readonly online: boolean | undefined;
  readonly isAdmin: boolean | undefined;
  readonly isManager: boolean | undefined;
  readonly groups: readonly UserGroup[];
}

/** A group of users. */
export interface UserGroup {
  readonly id: number;
  readonly name: string | undefined;
  readonly code: string | undefined;
}

/** Filters of `users`. `status` finds only users who are online. */
export interface UserFilter {
  readonly email?: string | undefined;
  readonly status?: UserStatus | undefined;
  readonly online?: boolean | undefined;
  readonly active?: boolean | undefined;
  readonly isManager?: boolean | undefined;
  readonly isAdmin?: boolean | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly createdAtFrom?: string | undefined;
  readonly createdAtTo?: string | undefined;
}

/** Presence a user can have. */
export type UserStatus = 'free' | 'busy' | 'dinner' | 'break';

/** One entry of a reference book. */
export interface ReferenceEntry {
  readonly code: string;
  readonly name: string | undefined;
  readonly active: boolean | undefined;
  /** Statuses: code of the status group. */
  readonly group: string | undefined;
  /** Sites: address of the shop. */
  readonly url: string | undefined;
}

/** Settings of the account, those we use. */
export interface AccountSettings {
  /** IANA name: the zone of every date in the API. */
  readonly timezone: string | undefined;
  readonly defaultCurrency: string | undefined;
  readonly systemLanguage: string | undefined;
}

/** What the key may do. */
export interface Credentials {
  /** Allowed methods, without the version: `/api/telephony/call/event`. */
  readonly credentials: readonly string[];
  readonly scopes: readonly string[];
  /** `access_full` or `access_selective`. */
  readonly siteAccess: string | undefined;
  readonly sitesAvailable: readonly string[];
}

/** Versions and addresses of the account. */
export interface SystemInfo {
  readonly systemVersion: string | undefined;
  readonly publicUrl: string | undefined;
  readonly technicalUrl: string | undefined;
}

/** Telephony part of an integration module (5.1). */
export interface TelephonyModule {
  /** Click-to-call address, without a query. */
  readonly makeCallUrl?: string | undefined;
  readonly changeUserStatusUrl?: string | undefined;
  /** False: users can only delete the module. */
  readonly allowEdit?: boolean | undefined;
  readonly inputEventSupported?: boolean | undefined;
  readonly outputEventSupported?: boolean | undefined;
  readonly hangupEventSupported?: boolean | undefined;
  /** Replaces the whole list: always send the merged one. */
  readonly additionalCodes?: readonly AdditionalCode[] | undefined;
  readonly externalPhones?: readonly ExternalPhone[] | undefined;
}

/** User ↔ extension. */
export interface AdditionalCode {
  readonly userId: number;
  readonly code: string;
}

/** Shop ↔ our number. */
export interface ExternalPhone {
  readonly siteCode: string;
  readonly externalPhone: string;
}

/** An integration module as we send it. */
export interface ModuleInput {
  /** Equal to the code in the path. */
  readonly code: string;
  readonly integrationCode?: string | undefined;
  readonly active: boolean;
  readonly name?: string | undefined;
  /** https address of an SVG. */
  readonly logo?: string | undefined;
  /** Secret-like id echoed in every callback. */
  readonly clientId: string;
  readonly baseUrl?: string | undefined;
  /** Relative paths; unknown keys are refused. */
  readonly actions?: { readonly activity: string } | undefined;
  readonly accountUrl?: string | undefined;
  readonly availableCountries?: readonly string[] | undefined;
  readonly integrations?: { readonly telephony: TelephonyModule } | undefined;
}

/** An integration module as the CRM tells it. */
export interface IntegrationModule {
  readonly code: string;
  readonly active: boolean | undefined;
  readonly freeze: boolean | undefined;
  readonly name: string | undefined;
  readonly clientId: string | undefined;
  readonly baseUrl: string | undefined;
  readonly telephony:
    | (Omit<TelephonyModule, 'additionalCodes' | 'externalPhones'> & {
        readonly additionalCodes: readonly AdditionalCode[];
        readonly externalPhones: readonly ExternalPhone[];
      })
    | undefined;
}

/** A file in the CRM's storage. */
export interface CrmFile {
  readonly id: number;
  readonly filename: string | undefined;
  readonly type: string | undefined;
  readonly createdAt: string | undefined;
  readonly size: number | undefined;
}

/** A file's new name and what it hangs on. */
export interface FileInput {
  readonly filename?: string | undefined;
  readonly attachment?:
    | readonly ({ readonly customer: { readonly id: number } } | { readonly order: { readonly id: number } })[]
    | undefined;
}

/** A task for a user. */
export interface TaskInput {
  readonly text: string;
  readonly performerId: number;
  /** `Y-m-d H:i`, account time: tasks have no seconds. */
  readonly datetime?: string | undefined;
  readonly phone?: string | undefined;
  readonly customer?: { readonly id: number } | undefined;
  readonly order?: { readonly id: number } | undefined;
}

/** A notification in the CRM's bell. */
export interface NotificationInput {
  readonly type: 'api.info' | 'api.error';
  readonly message: string;
  readonly userIds?: readonly number[] | undefined;
  readonly userGroups?: readonly string[] | undefined;
}

export const readGroup = (fields: Fields): UserGroup => ({
  id: readId(fields),
  name: fields.text('name'),
  code: fields.text('code'),
});

export const readUser = (fields: Fields): User => ({
  id: readId(fields),
  active: fields.flag('active'),
  email: fields.text('email'),
  firstName: fields.text('firstName'),
  lastName: fields.text('lastName'),
  patronymic: fields.text('patronymic'),
  position: fields.text('position'),
  phone: fields.text('phone'),
  status: fields.text('status'),
  online: fields.flag('online'),
  isAdmin: fields.flag('isAdmin'),
  isManager: fields.flag('isManager'),
  groups: fields.list('groups', readGroup),
});

export const readReference =
  (book: string) =>
  (answer: Fields): ReadonlyMap<string, ReferenceEntry> =>
    new Map(
      [...answer.map(book, (entry) => entry)].map(([key, entry]) => [
        key,
        {
          code: entry.text('code') ?? key,
          name: entry.text('name'),
          active: entry.flag('active'),
          group: entry.text('group'),
          url: entry.text('url'),
        },
      ]),
    );

export function readSettings(answer: Fields): AccountSettings {
  const value = (name: string): string | undefined =>
    answer.child('settings', (settings) => settings.child(name, (setting) => setting.text('value')));
  return {
    timezone: value('timezone'),
    defaultCurrency: value('default_currency'),
    systemLanguage: value('system_language'),
  };
}

export const readCredentials = (answer: Fields): Credentials => ({
  credentials: answer.texts('credentials'),
  scopes: answer.texts('scopes'),
  siteAccess: answer.text('siteAccess'),
  sitesAvailable: answer.texts('sitesAvailable'),
});

export const readSystemInfo = (answer: Fields): SystemInfo => ({
  systemVersion: answer.text('systemVersion'),
  publicUrl: answer.text('publicUrl'),
  technicalUrl: answer.text('technicalUrl'),
});

export function readModule(fields: Fields): IntegrationModule {
  return {
    code: fields.need('code', fields.text('code')),
    active: fields.flag('active'),
    freeze: fields.flag('freeze'),
    name: fields.text('name'),
    clientId: fields.text('clientId'),
    baseUrl: fields.text('baseUrl'),
    telephony: fields.child('integrations', (all) =>
      all.child('telephony', (telephony) => ({
        makeCallUrl: telephony.text('makeCallUrl'),
        changeUserStatusUrl: telephony.text('changeUserStatusUrl'),
        allowEdit: telephony.flag('allowEdit'),
        inputEventSupported: telephony.flag('inputEventSupported'),
        outputEventSupported: telephony.flag('outputEventSupported'),
        hangupEventSupported: telephony.flag('hangupEventSupported'),
        additionalCodes: telephony.list('additionalCodes', (code) => ({
          userId: code.need('userId', code.number('userId')),
          code: code.need('code', code.text('code')),
        })),
        externalPhones: telephony.list('externalPhones', (phone) => ({
          siteCode: phone.need('siteCode', phone.text('siteCode')),
          externalPhone: phone.need('externalPhone', phone.text('externalPhone')),
        })),
      })),
    ),
  };
}

export const readFile = (fields: Fields): CrmFile => ({
  id: readId(fields),
  filename: fields.text('filename'),
  type: fields.text('type'),
  createdAt: fields.text('createdAt'),
  size: fields.number('size'),
});

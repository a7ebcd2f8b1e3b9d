import { CrmError } from '../retailcrm/errors.ts';
import { toAccountTime } from '../retailcrm/time.ts';
import type { CallUpload } from '../retailcrm/types.ts';
import type { Check } from './check.ts';
import type { Session } from './session.ts';

/** An extension that no shop has. */
const nobody = '0000000';

/** An incoming and an outgoing call, both answered: a missed one could set the account's automation off. */
function records(session: Session): CallUpload[] {
  const now = (session.options.now ?? Date.now)();
  const zone = session.options.timezone ?? session.known.zone ?? 'UTC';
  return (['in', 'out'] as const).map((type) => ({
    date: toAccountTime(now - 60_000, zone),
    type,
    phone: session.fakePhone,
    result: 'answered',
    duration: 1,
    durationWaiting: 1,
    externalId: `probe-${session.id}-${type}`,
    recordUrl: 'https://example.com/asterisk-retailcrm-probe.mp3',
    ...(session.site === undefined ? {} : { site: session.site }),
  }));
}

/** The telephony module, popups, records. */
export const telephonyChecks: readonly Check[] = [
  {
    id: 'module',
    area: 'Telephony',
    title: 'the telephony module',
    run: async (session) => {
      const { moduleCode } = session.options;
      try {
        const module = await session.ask(() => session.client.integrationModule(moduleCode));
        if (module.clientId === undefined) session.notes.add('The module is told without its clientId.');
        const { telephony } = module;
        const state = `${module.active === true ? 'active' : 'not active'}${module.freeze === true ? ', frozen' : ''}`;
        return `module ${moduleCode} is ${state}; ${telephony?.additionalCodes.length ?? 0} extensions, ${telephony?.externalPhones.length ?? 0} numbers`;
      } catch (error) {
        if (!(error instanceof CrmError) || error.kind !== 'NOTFOUND') throw error;
        return `there is no module ${moduleCode} yet: \`module register\` makes it`;
      }
    },
  },
  {
    id: 'call.event',
    area: 'Telephony',
    title: 'a popup for an incoming call',
    writes: true,
    run: async (session) => {
      const code = session.options.extension ?? nobody;
      const about = { phone: session.fakePhone, codes: [code], callExternalId: `probe-${session.id}` };
      const reply = await session.ask(() => session.client.callEvent({ ...about, type: 'in' }, { deadlineMs: 30_000 }));
      const unknown = reply.notExistCodes.includes(code);
      if (session.options.extension !== undefined && unknown)
        session.notes.add(`The CRM knows no extension ${code}: its user sees no popups.`);
      if (session.options.extension === undefined && !unknown)
        session.notes.add('An extension nobody has is not named in notExistCodes.');
      return unknown ? `taken; nobody has extension ${code}` : `taken for extension ${code}`;
    },
  },
  {
    id: 'call.event.hangup',
    area: 'Telephony',
    title: 'the popup closed again',
    writes: true,
    run: async (session) => {
      const code = session.options.extension ?? nobody;
      const about = { phone: session.fakePhone, codes: [code], callExternalId: `probe-${session.id}` };
      await session.ask(() =>
        session.client.callEvent({ ...about, type: 'hangup', hangupStatus: 'no answered' }, { deadlineMs: 30_000 }),
      );
      return 'taken';
    },
  },
  {
    id: 'calls.upload',
    area: 'Telephony',
    title: 'records of an incoming and an outgoing call, with links to recordings',
    writes: true,
    run: async (session) => {
      const calls = records(session);
      const ids = calls.map(({ externalId }) => externalId).join(', ');
      const { processedCallsCount } = await session.create(
        'calls',
        'in the call list, by externalId',
        () => session.client.uploadCalls(calls),
        () => ids,
      );
      return `${processedCallsCount ?? 'no count of'} processed, dated ${calls[0]?.date ?? ''}`;
    },
  },
  {
    id: 'calls.upload.again',
    area: 'Telephony',
    title: 'the same records once more',
    writes: true,
    run: async (session) => {
      const calls = records(session);
      const reply = await session.ask(() => session.client.uploadCalls(calls));
      const known = calls.every(({ externalId }) => reply.duplicateCalls.includes(externalId));
      if (!known)
        session.notes.add('Records sent twice are not named in duplicateCalls: look whether the CRM shows them twice.');
      else if (reply.processedCallsCount !== undefined)
        session.notes.add(
          `Repeated records ${reply.processedCallsCount > 0 ? 'count' : 'do not count'} in processedCallsCount.`,
        );
      return known ? 'known already, as it should be' : 'not recognised';
    },
  },
];

import type { Check } from './check.ts';
import { type Session, Skipped } from './session.ts';

const uploaded = new WeakMap<Session, number>();
const bytesOf = (session: Session): Buffer => Buffer.from(`${session.mark}\n`, 'utf8');

function ourFile(session: Session): number {
  const id = uploaded.get(session);
  if (id === undefined) throw new Skipped('no file was uploaded');
  return id;
}

/** The CRM's file storage: billed, so it is tried only when asked for; what is uploaded is deleted again. */
export const fileChecks: readonly Check[] = [
  {
    id: 'files',
    area: 'Files',
    title: 'list of files',
    files: true,
    run: async (session) =>
      `${(await session.ask(() => session.client.files({ limit: 20 }))).items.length} on the first page`,
  },
  {
    id: 'files.upload',
    area: 'Files',
    title: 'a small file',
    files: true,
    writes: true,
    run: async (session) => {
      const id = await session.ask(() => session.client.uploadFile(bytesOf(session)));
      uploaded.set(session, id);
      return `file ${id}`;
    },
  },
  {
    id: 'files.edit',
    area: 'Files',
    title: 'the file named and attached to the new customer',
    files: true,
    writes: true,
    run: async (session) => {
      const id = ourFile(session);
      const { customer } = session.known;
      const attachment = customer === undefined ? {} : { attachment: [{ customer: { id: customer } }] };
      const file = await session.ask(() =>
        session.client.editFile(id, { filename: `asterisk-retailcrm-probe-${session.id}.txt`, ...attachment }),
      );
      return file.filename ?? 'no name told';
    },
  },
  {
    id: 'files.download',
    area: 'Files',
    title: 'the file read back',
    files: true,
    writes: true,
    run: async (session) => {
      const id = ourFile(session);
      const { bytes } = await session.ask(() => session.client.downloadFile(id));
      const same = Buffer.compare(Buffer.from(bytes), bytesOf(session)) === 0;
      if (!same) session.notes.add('A file comes back with other bytes than were sent.');
      return same ? 'byte for byte' : 'different';
    },
  },
  {
    id: 'files.delete',
    area: 'Files',
    title: 'the file deleted',
    files: true,
    writes: true,
    run: async (session) => {
      await session.ask(() => session.client.deleteFile(ourFile(session)));
      return 'gone';
    },
  },
];

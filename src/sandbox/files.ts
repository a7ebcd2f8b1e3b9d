/** Files (behaviour 56), tasks and notifications. */

import { nextId, type StoredFile } from './account.ts';
import { type Ask, asObject, filters, integer, objectField, onePage, paging, siteToWrite, stamp, text } from './ask.ts';
import { invalid, json, ok, type Problems, type Reply, refusal, texts } from './reply.ts';

const MAX_TASKS = 10_000;

/** POST files/upload: the body is the file. */
export function uploadFile(ask: Ask): Reply {
  const { account } = ask;
  if (account.fileCredit <= 0) throw refusal(400, "Your account doesn't have enough money to upload files.");
  account.fileCredit--;
  const id = nextId(account, 'file');
  account.files.set(id, {
    id,
    filename: '',
    type: 'application/octet-stream',
    createdAt: stamp(ask),
    bytes: ask.body,
    attachment: [],
  });
  return ok({ file: { id } });
}

/** GET files */
export function listFiles(ask: Ask): Reply {
  filters(ask, []);
  const page = onePage([...ask.account.files.values()], paging(ask));
  return ok({ pagination: page.pagination, files: page.rows.map(view) });
}

/** GET files/{id} */
export function getFile(ask: Ask): Reply {
  return ok({ file: view(find(ask)) });
}

/** POST files/{id}/edit */
export function editFile(ask: Ask): Reply {
  const file = find(ask);
  const given = objectField(ask, 'file');
  file.filename = text(given['filename']) ?? file.filename;
  if (Array.isArray(given['attachment'])) file.attachment = given['attachment'].map((entry: unknown) => entry);
  return ok({ file: view(file) });
}

/** POST files/{id}/delete */
export function deleteFile(ask: Ask): Reply {
  ask.account.files.delete(find(ask).id);
  return ok();
}

/** GET files/{id}/download */
export function downloadFile(ask: Ask): Reply {
  const file = find(ask);
  const name = encodeURIComponent(file.filename === '' ? `file-${file.id}` : file.filename);
  return {
    status: 200,
    type: file.type,
    body: file.bytes,
    headers: { 'content-disposition': `attachment; filename*=UTF-8''${name}` },
  };
}

/** POST tasks/create */
export function createTask(ask: Ask): Reply {
  const say = texts(ask.switches);
  const task = objectField(ask, 'task');
  siteToWrite(ask);
  const problems: Problems = {};
  if (text(task['text']) === undefined) problems['text'] = say.blank;
  const performerId = integer(task['performerId']);
  if (performerId === undefined) problems['performerId'] = say.blank;
  else if (!ask.account.users.has(performerId)) problems['performerId'] = say.unknown;
  const datetime = text(task['datetime']);
  if (datetime !== undefined && !/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/.test(datetime)) problems['datetime'] = say.invalid;
  if (Object.keys(problems).length > 0) throw invalid(ask.switches, problems, 'Task is not loaded');
  const id = nextId(ask.account, 'task');
  if (ask.account.tasks.length < MAX_TASKS) ask.account.tasks.push({ id, ...task });
  return json(201, { success: true, id });
}

/** POST notifications/send */
export function sendNotification(ask: Ask): Reply {
  const say = texts(ask.switches);
  const notification = objectField(ask, 'notification');
  const type = notification['type'];
  if (type !== 'api.info' && type !== 'api.error') throw invalid(ask.switches, { type: say.choice });
  if (text(notification['message']) === undefined) throw invalid(ask.switches, { message: say.blank });
  if (ask.account.notifications.length < MAX_TASKS) ask.account.notifications.push(notification);
  return ok();
}

/** A file as the API shows it. */
function view(file: StoredFile): Record<string, unknown> {
  const { id, filename, type, createdAt, bytes, attachment } = file;
  return { id, filename, type, createdAt, size: bytes.length, attachment: asList(attachment) };
}

function asList(attachment: readonly unknown[]): unknown[] {
  return attachment.map((entry) => asObject(entry) ?? {});
}

function find(ask: Ask): StoredFile {
  const file = ask.account.files.get(integer(ask.path['id']) ?? 0);
  if (!file) throw refusal(404, 'Not Found');
  return file;
}

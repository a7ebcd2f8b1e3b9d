/** Notes on customers (behaviour 44), and companies with their contacts. */

import { nextId } from './account.ts';
import { type Ask, asObject, byOf, filters, integer, jsonField, onePage, paging, stamp, text } from './ask.ts';
import { referenced } from './customers.ts';
import { listOf } from './fields.ts';
import { customerStub } from './history.ts';
import { json, ok, type Problems, type Reply, refusal, refuseIfAny, texts } from './reply.ts';

/** GET customers/notes */
export function listNotes(ask: Ask): Reply {
  const found = filters(ask, ['customerIds']);
  const wanted = listOf(found['customerIds']);
  const rows = ask.account.notes.filter((note) => wanted.length === 0 || wanted.includes(String(note.customerId)));
  const page = onePage(rows, paging(ask));
  const notes = page.rows.map(({ id, text, managerId, createdAt, customerId }) => ({
    ...{ id, text, createdAt, customer: { id: customerId } },
    ...(managerId !== undefined && { managerId }),
  }));
  return ok({ pagination: page.pagination, notes });
}

/** POST customers/notes/create */
export function createNote(ask: Ask): Reply {
  const say = texts(ask.switches);
  const given = asObject(jsonField(ask, 'note')) ?? {};
  const reference = asObject(given['customer']) ?? {};
  const problems: Problems = {};
  const body = text(given['text']);
  if (body === undefined) problems['text'] = say.blank;
  const customer = referenced(ask.account, reference);
  if (text(reference['id']) === undefined && text(reference['externalId']) === undefined)
    problems['customer'] = say.oneOf;
  else if (!customer) problems['customer'] = say.unknown;
  refuseIfAny(ask.switches, problems);
  const id = nextId(ask.account, 'note');
  ask.account.notes.push({
    id,
    customerId: customer?.id ?? 0,
    text: body ?? '',
    managerId: integer(given['managerId']),
    createdAt: stamp(ask),
  });
  return json(201, { success: true, id });
}

/** GET customers-corporate */
export function listCorporate(ask: Ask): Reply {
  const found = filters(ask, ['contactIds', 'ids']);
  const people = listOf(found['contactIds']);
  const ids = listOf(found['ids']);
  const rows = [...ask.account.corporate.values()].filter(
    (company) =>
      (people.length === 0 || company.contacts.some((contact) => people.includes(String(contact.customerId)))) &&
      (ids.length === 0 || ids.includes(String(company.id))),
  );
  const page = onePage(rows, paging(ask));
  const customersCorporate = page.rows.map(({ id, nickName, site, createdAt }) => ({
    type: 'customer_corporate',
    id,
    nickName,
    site,
    createdAt,
    customFields: [],
  }));
  return ok({ pagination: page.pagination, customersCorporate });
}

/** GET customers-corporate/{id}/contacts */
export function corporateContacts(ask: Ask): Reply {
  const company = byOf(ask) === 'id' ? ask.account.corporate.get(Number(ask.path['id'])) : undefined;
  if (!company) throw refusal(404, 'Not found');
  const page = onePage(company.contacts, paging(ask));
  const contacts = page.rows.map(({ id, isMain, customerId }) => {
    const customer = ask.account.customers.get(customerId);
    return { id, isMain, customer: customer ? customerStub(customer) : { id: customerId }, companies: [] };
  });
  return ok({ pagination: page.pagination, contacts });
}

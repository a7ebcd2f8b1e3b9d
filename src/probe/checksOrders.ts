import type { Check } from './check.ts';
import { type Session, Skipped } from './session.ts';
import { ourCustomer, siteOf, yesterday } from './checksCustomers.ts';

function ourOrder(session: Session): number {
  const { order } = session.known;
  if (order === undefined) throw new Skipped('no order was created');
  return order;
}

/** Orders: found, made, changed. */
export const orderChecks: readonly Check[] = [
  {
    id: 'orders',
    area: 'Orders',
    title: 'list of orders',
    run: async (session) => {
      const { items, pagination } = await session.ask(() => session.client.orders({}, { limit: 20 }));
      session.known.orders = items;
      return `${pagination?.totalCount ?? items.length} orders`;
    },
  },
  {
    id: 'orders.customer',
    area: 'Orders',
    title: "one customer's orders",
    run: async (session) => {
      const customerId = session.known.orders[0]?.customer?.id ?? session.known.customers[0]?.id;
      if (customerId === undefined) throw new Skipped('there is no customer');
      const { items } = await session.ask(() => session.client.orders({ customerId }, { limit: 20 }));
      return `customer ${customerId} has ${items.length}`;
    },
  },
  {
    id: 'orders.create',
    area: 'Orders',
    title: 'an order for the new customer',
    writes: true,
    run: async (session) => {
      const customer = { id: ourCustomer(session) };
      const { methods } = session.known;
      const orderMethod = methods.includes('phone') ? 'phone' : methods[0];
      const order = {
        externalId: `probe-${session.id}`,
        ...(orderMethod === undefined ? {} : { orderMethod }),
        customer,
        firstName: session.mark,
        phone: session.fakePhone,
        managerComment: session.mark,
      };
      const hint = `externalId ${order.externalId}, comment “${session.mark}”`;
      const reply = await session.create(
        'order',
        hint,
        () => session.client.createOrder(order, session.site),
        ({ id }) => id,
      );
      session.known.order = reply.id;
      return `order ${reply.id}, number ${reply.order?.number ?? 'not told'}, status ${reply.order?.status ?? 'not told'}`;
    },
  },
  {
    id: 'orders.edit',
    area: 'Orders',
    title: 'the order edited',
    writes: true,
    run: async (session) => {
      const id = ourOrder(session);
      await session.ask(() =>
        session.client.editOrder(id, { by: 'id', ...siteOf(session) }, { managerComment: `${session.mark} (edited)` }),
      );
      return 'its comment';
    },
  },
  {
    id: 'orders.get.created',
    area: 'Orders',
    title: 'the order by externalId',
    writes: true,
    run: async (session) => {
      ourOrder(session);
      const by = { by: 'externalId', ...siteOf(session) } as const;
      const order = await session.ask(() => session.client.order(`probe-${session.id}`, by));
      return `order ${order.id}, edited: ${order.managerComment?.endsWith('(edited)') === true ? 'yes' : 'no'}`;
    },
  },
  {
    id: 'orders.statuses',
    area: 'Orders',
    title: 'statuses of orders by id',
    run: async (session) => {
      const ids = session.known.orders.slice(0, 5).map(({ id }) => id);
      if (session.known.order !== undefined) ids.push(session.known.order);
      if (ids.length === 0) throw new Skipped('there is no order');
      const statuses = await session.ask(() => session.client.orderStatuses({ ids }));
      return `${statuses.length} of ${ids.length}`;
    },
  },
  {
    id: 'orders.history',
    area: 'Orders',
    title: "orders' changes since yesterday",
    run: async (session) => {
      const { history } = await session.ask(() => session.client.orderHistory({ startDate: yesterday(session) }, 100));
      return `${history.length} changes`;
    },
  },
];

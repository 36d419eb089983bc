// The client for other programs fits the description, too.

import { expect, expectTypeOf, it } from 'vitest';
import { type Schemas, connect, follow } from '../../clients/typescript/index';

it('has the shapes of the description', async () => {
  const client = connect('http://127.0.0.1:1', { fetch: async () => Response.json({ tickets: [], next: null }) });
  const { data } = await client.GET('/api/v1/tickets', { params: { query: { overdue: true } } });
  expectTypeOf(data).toEqualTypeOf<Schemas['TicketPage'] | undefined>();
  expectTypeOf(follow(client)).toExtend<AsyncGenerator<Schemas['FeedPage']>>();
  expect(data?.tickets).toEqual([]);
});

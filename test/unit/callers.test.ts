import { expect, test } from '@jest/globals';
import { managerExtension } from '../../src/callers.ts';
import { example } from '../support/callsCaptures.ts';

test.each<{ name: string; id: number | undefined; code: string | undefined; is: string | undefined }>([
  { name: 'by the code of the configuration', id: undefined, code: 'ira', is: '150' },
  { name: 'the code before the user', id: 8, code: 'ira', is: '150' },
  { name: 'by the user of the configuration', id: 8, code: undefined, is: '151' },
  { name: 'by the user as the CRM maps her', id: 9, code: undefined, is: '152' },
  { name: 'a code that looks like an extension', id: undefined, code: '155', is: '155' },
  { name: 'a code that does not', id: undefined, code: 'boss', is: undefined },
  { name: 'an unknown code of a known user', id: 8, code: 'boss', is: '151' },
  { name: 'nobody', id: undefined, code: undefined, is: undefined },
])("a manager's extension: $name", ({ id, code, is }) => {
  const { enterprise } = example((shipped) => {
    const base = { name: undefined, mobiles: [], role: 'employee', host: undefined } as const;
    return {
      ...shipped,
      employees: [
        { ...base, extension: '150', code: 'ira', user: 7 },
        { ...base, extension: '151', code: '151', user: 8 },
      ],
      hosts: shipped.hosts.map((host) => ({ ...host, extensions: ['1\\d\\d'] })),
    };
  });
  const users = { extensionOfUser: (user: number) => (user === 9 ? '152' : undefined) };
  expect(managerExtension(enterprise, users)({ id, code })).toBe(is);
});

// Rules, and the house's one-way imports: the table of docs/architecture.md, enforced.
import js from '@eslint/js';
import jest from 'eslint-plugin-jest';
import tseslint from 'typescript-eslint';

/** room → rooms it may import from (besides itself), and packages that live only there. */
const rooms = {
  calls: { imports: [], packages: [] },
  ami: { imports: ['calls', 'log'], packages: [] },
  agi: { imports: ['calls', 'log'], packages: [] },
  cdr: { imports: ['calls', 'log'], packages: [] },
  store: { imports: ['calls', 'log'], packages: ['pg', 'kysely'] },
  retailcrm: { imports: ['log'], packages: ['axios'] },
  delivery: { imports: ['calls', 'retailcrm', 'store', 'log'], packages: ['p-queue'] },
  customers: { imports: ['retailcrm', 'store', 'log'], packages: [] },
  actions: { imports: ['calls', 'ami', 'store', 'log'], packages: [] },
  analytics: { imports: ['store', 'log'], packages: [] },
  doctor: { imports: ['config', 'ami', 'retailcrm', 'store', 'log'], packages: [] },
  probe: { imports: ['retailcrm', 'config', 'log'], packages: [] },
  http: { imports: ['store', 'analytics', 'customers', 'log'], packages: ['fastify', '@fastify/swagger'] },
  pages: { imports: ['store', 'analytics', 'customers', 'log'], packages: ['fastify'] },
  config: { imports: ['log'], packages: ['yaml', 'zod', 'libphonenumber-js'] },
  sandbox: { imports: ['calls'], packages: [] },
};
const guarded = [...new Set(Object.values(rooms).flatMap((room) => room.packages))];

function roomRules([room, { imports, packages }]) {
  const strangers = Object.keys(rooms).filter((other) => other !== room && !imports.includes(other));
  const foreign = guarded.filter((name) => !packages.includes(name));
  const up = `^(\\.\\./)+`;
  const patterns = [
    {
      regex: `${up}(${strangers.join('|')})/`,
      message: `${room}/ may import only: ${imports.join(', ') || 'nothing'}`,
    },
    { regex: `^(${['winston', ...foreign].join('|')})(/|$)`, message: 'this package lives in another room' },
    {
      regex: `${up}(?!log\\.ts$|version\\.ts$|${Object.keys(rooms).join('/|')}/)`,
      message: 'rooms do not import root files',
    },
  ];
  if (!imports.includes('log')) patterns.push({ regex: `${up}log\\.ts$`, message: `${room}/ does not log` });
  if (room === 'calls') patterns.push({ regex: '^(node:|[a-z@])', message: 'the core imports nothing' });
  return {
    files: [`src/${room}/**/*.ts`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
}

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.cache/', 'node_modules/', 'test/captures/', 'var/'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
      },
    },
  },
  ...Object.entries(rooms).map(roomRules),
  {
    files: ['src/calls/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: ':function[async=true]', message: 'the core is synchronous' },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'the core has no clock' },
        { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'the core has no clock' },
      ],
      'no-restricted-globals': [
        'error',
        'setTimeout',
        'setInterval',
        'setImmediate',
        'queueMicrotask',
        'performance',
        'process',
      ],
    },
  },
  { files: ['test/**/*.test.ts'], ...jest.configs['flat/recommended'] },
  {
    files: ['test/**/*.test.ts'],
    rules: { 'jest/expect-expect': ['error', { assertFunctionNames: ['expect', 'expect*', 'fc.assert'] }] },
  },
);

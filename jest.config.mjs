import { availableParallelism } from 'node:os';

const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  restoreMocks: true,
  moduleFileExtensions: ['ts', 'mjs', 'js', 'cjs', 'json', 'node'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.cache'],
  transform: { '^.+\\.ts$': '<rootDir>/scripts/jest-esbuild.mjs' },
};

export default {
  testTimeout: 30_000,
  // Jest would leave one core idle; more than four would want more connections than the database server gives.
  maxWorkers: Math.min(4, availableParallelism()),
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    { ...common, displayName: 'replay', testMatch: ['<rootDir>/test/replay/**/*.test.ts'] },
    {
      ...common,
      displayName: 'store',
      testMatch: ['<rootDir>/test/store/**/*.test.ts'],
      globalSetup: '<rootDir>/scripts/pg-start.mjs',
      globalTeardown: '<rootDir>/scripts/pg-stop.mjs',
    },
  ],
};

import type { FaultCase } from '../case.ts';

export const databaseCases: FaultCase[] = [];

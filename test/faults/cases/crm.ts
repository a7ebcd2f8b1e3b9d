import type { FaultCase } from '../case.ts';

export const crmCases: FaultCase[] = [];

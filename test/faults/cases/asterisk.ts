import type { FaultCase } from '../case.ts';

export const asteriskCases: FaultCase[] = [];

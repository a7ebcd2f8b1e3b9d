import type { FaultCase } from '../case.ts';

export const garbageCases: FaultCase[] = [];

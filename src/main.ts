import { runCommandLine } from './cli/args.ts';
import { captureCommand } from './cli/capture.ts';
import { auditListCommand, auditVerifyCommand } from './cli/audit.ts';
import { callsListCommand, callsShowCommand } from './cli/calls.ts';
import { checkConfigCommand } from './cli/check-config.ts';
import { deadDiscardCommand, deadListCommand, deadRetryCommand, deadShowCommand } from './cli/dead.ts';
import { demoCommand } from './cli/demo.ts';
import { doctorCommand } from './cli/doctor.ts';
import { dropsCountCommand, dropsListCommand } from './cli/drops.ts';
import { migrateCommand } from './cli/migrate.ts';
import { gapsListCommand } from './cli/gaps.ts';
import {
  moduleDeactivateCommand,
  moduleRegisterCommand,
  moduleRotateCommand,
  moduleShowCommand,
} from './cli/module.ts';
import { processIo } from './cli/output.ts';
import { probeCommand } from './cli/probe.ts';
import { replayCommand } from './cli/replay.ts';
import { runCommand } from './cli/run.ts';
import { sandboxCommand } from './cli/sandbox.ts';
import { simulateCommand } from './cli/simulate.ts';
import { versionCommand } from './cli/version.ts';

const commands = [
  runCommand,
  checkConfigCommand,
  doctorCommand,
  probeCommand,
  migrateCommand,
  demoCommand,
  sandboxCommand,
  callsListCommand,
  callsShowCommand,
  dropsListCommand,
  dropsCountCommand,
  gapsListCommand,
  auditListCommand,
  auditVerifyCommand,
  replayCommand,
  simulateCommand,
  captureCommand,
  moduleRegisterCommand,
  moduleShowCommand,
  moduleDeactivateCommand,
  moduleRotateCommand,
  deadListCommand,
  deadShowCommand,
  deadRetryCommand,
  deadDiscardCommand,
  versionCommand,
];

process.exitCode = await runCommandLine(commands, process.argv.slice(2), processIo());

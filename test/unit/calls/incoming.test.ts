import { describe, expect, test } from '@jest/globals';
import { outcome, script, type Script } from '../../support/callsScript.ts';

/** The customer `c` comes in at 0, phones `pEXT` are called at 1.0 s. */
function ringsAt(...exts: string[]): Script {
  const stream = script().incoming('c').at(1000);
  for (const ext of exts) stream.dial('c', `p${ext}`, { ext }).ring(`p${ext}`);
  return stream;
}

/** This phone takes the call; those are told to stop. */
function answers(stream: Script, ext: string, losers: string[] = []): Script {
  for (const loser of losers) stream.dialEnd(`p${loser}`, 'CANCEL');
  stream.answer(`p${ext}`).up('c').bridge('b', `p${ext}`, 'c');
  for (const loser of losers) stream.hangup(`p${loser}`, 26);
  return stream;
}

/** The customer hangs up. */
function leaves(stream: Script, ext?: string): Script {
  stream.leave('c');
  if (ext !== undefined) stream.hangup(`p${ext}`);
  return stream.hangup('c');
}

describe('calls.md 3: incoming', () => {
  test('1: a direct call, answered: one popup, one upload, talk only in the duration', () => {
    const stream = leaves(answers(ringsAt('150').at(4000), '150').at(14_000), '150');
    const { calls, popups, uploads, drops } = outcome(stream);
    expect(popups).toEqual(['1.15 in 150', '14 hangup 150 answered']);
    expect(uploads).toEqual(['c: in answered 4+10 of 150']);
    expect(calls).toMatchObject([{ externalId: 'pbx1-c', externalPhone: '+375171234501', answeredBy: '150' }]);
    expect(drops).toEqual([]);
  });

  test('2: ring-all of five, the third answers: one popup request, four closed at the answer, one upload', () => {
    const stream = ringsAt('150', '151', '152', '153', '154');
    answers(stream.at(5000), '152', ['150', '151', '153', '154']);
    const { popups, uploads, calls } = outcome(leaves(stream.at(9000), '152'));
    expect(popups).toEqual([
      '1.15 in 150+151+152+153+154',
      '5 hangup 150+151+153+154 answered',
      '9 hangup 152 answered',
    ]);
    expect(uploads).toEqual(['c: in answered 5+4 of 152']);
    expect(calls[0]?.rang.map((ring) => ring.outcome)).toEqual([
      'answered elsewhere',
      'answered elsewhere',
      'answered',
      'answered elsewhere',
      'answered elsewhere',
    ]);
  });

  test.each([
    { policy: 'on_answer' as const, popups: ['1.15 in 150+151', '5 hangup 151 answered', '9 hangup 150 answered'] },
    { policy: 'at_end' as const, popups: ['1.15 in 150+151', '9 hangup 150+151 answered'] },
  ])('the popup of a loser closes $policy', ({ policy, popups }) => {
    const stream = answers(ringsAt('150', '151').at(5000), '150', ['151']);
    expect(outcome(leaves(stream.at(9000), '150'), { closeLosers: policy }).popups).toEqual(popups);
  });

  test('3: ring-all, the caller leaves: one upload, no missed call per member', () => {
    const stream = ringsAt('150', '151').at(8000);
    stream.dialEnd('p150', 'CANCEL').hangup('p150', 0).dialEnd('p151', 'CANCEL').hangup('p151', 0).hangup('c', 0);
    const { popups, uploads } = outcome(stream);
    expect(popups).toEqual(['1.15 in 150+151', '8 hangup 150+151 cancel']);
    expect(uploads).toEqual(['c: in no answer 8+0 of 151']);
  });

  test('4: hunt group: the popup of A closes when A stops ringing, B gets her own', () => {
    const stream = ringsAt('150').at(26_000).dialEnd('p150', 'NOANSWER').hangup('p150', 0);
    stream.wait(10).dial('c', 'p151', { ext: '151' }).ring('p151').at(30_000);
    const { popups, uploads } = outcome(leaves(answers(stream, '151').at(40_000), '151'));
    expect(popups).toEqual(['1.15 in 150', '26.16 in 151', '26.5 hangup 150 no answered', '40 hangup 151 answered']);
    expect(uploads).toEqual(['c: in answered 30+10 of 151']);
  });

  test('5: a second queue round: nobody in the first, B in the second; the recording is the one of the talk', () => {
    const stream = script()
      .incoming('c')
      .up('c')
      .queue('c')
      .variable('c', 'MIXMONITOR_FILENAME', '/rec/c.wav')
      .at(1000);
    stream.dial('c', 'p150', { ext: '150' }).ring('p150').dial('c', 'p151', { ext: '151' }).ring('p151');
    stream.at(11_000).dialEnd('p150', 'NOANSWER').hangup('p150', 0).dialEnd('p151', 'NOANSWER').hangup('p151', 0);
    stream.at(15_000).dial('c', 'again150', { ext: '150' }).ring('again150').dial('c', 'again151', { ext: '151' });
    stream.ring('again151').at(17_000).dialEnd('again150', 'CANCEL').answer('again151').bridge('b', 'again151', 'c');
    stream.hangup('again150', 26).at(27_000).hangup('again151').hangup('c');
    const { uploads, calls, popups } = outcome(stream);
    expect(uploads).toEqual(['c: in answered 17+10 of 151']);
    expect(calls).toMatchObject([{ recording: 'c.wav', handledBy: ['151'] }]);
    expect(calls[0]?.rang.map(({ ext, outcome: end }) => `${ext} ${end}`)).toEqual([
      '150 no answer',
      '151 no answer',
      '150 answered elsewhere',
      '151 answered',
    ]);
    // Once per employee and call.
    expect(popups.filter((popup) => popup.includes(' in '))).toEqual(['1.15 in 150+151']);
  });

  test('6: the IVR answers and the caller hangs up before anybody rings: not answered', () => {
    const { uploads, calls, popups } = outcome(script().incoming('c').at(300).up('c').at(9000).hangup('c'));
    expect(uploads).toEqual(['c: in no answer 9+0 of nobody']);
    expect(calls).toMatchObject([{ answeredAt: null, handledBy: [], rang: [] }]);
    expect(popups).toEqual([]);
  });

  test.each([
    { policy: true, uploads: ['c: in no answer 9+0 of nobody'], drops: [] },
    { policy: false, uploads: [], drops: ['c off_hours_off'] },
  ])('7: closed hours, playback only: log $policy', ({ policy, uploads, drops }) => {
    const stream = script().incoming('c').at(300).up('c').context('c', 'closed').at(9000).hangup('c');
    const told = outcome(stream, { offHours: policy }, { offHours: (context) => context === 'closed' });
    expect(told).toMatchObject({ uploads, drops });
  });

  test.each([
    { policy: true, uploads: ['c: in no answer 31+0 of 150'], drops: [] },
    { policy: false, uploads: [], drops: ['c voicemail_off'] },
  ])('8: voice mail took it: log $policy', ({ policy, uploads, drops }) => {
    const stream = ringsAt('150').at(20_000).dialEnd('p150', 'NOANSWER').hangup('p150', 0).at(21_000).up('c');
    expect(outcome(stream.at(31_000).hangup('c'), { voicemail: policy })).toMatchObject({ uploads, drops });
  });

  test('15: one extension on two devices: one popup, closed when the last device stops', () => {
    const stream = script().incoming('c').at(1000).dial('c', 'desk', { ext: '150' }).ring('desk');
    stream.dial('c', 'mobile', { ext: '150' }).ring('mobile').at(5000).dialEnd('desk', 'BUSY').hangup('desk', 17);
    stream.at(9000).dialEnd('mobile', 'NOANSWER').hangup('mobile', 0).at(12_000).hangup('c', 0);
    expect(outcome(stream).popups).toEqual(['1.15 in 150', '9.5 hangup 150 no answered']);
  });

  test.each([
    { policy: 'ignore' as const, drops: ['c employee_mobile'], uploads: 0, popups: 0 },
    { policy: 'log' as const, drops: [], uploads: 1, popups: 2 },
  ])('16: an employee calls the office from her own mobile: $policy', ({ policy, drops, uploads, popups }) => {
    const stream = script()
      .incoming('c', { from: '80290000999' })
      .at(1000)
      .dial('c', 'p150', { ext: '150' })
      .ring('p150');
    const told = outcome(
      leaves(answers(stream.at(3000), '150').at(9000), '150'),
      { employeeMobiles: policy },
      {
        employeeByMobile: (e164) => (e164 === '+375290000999' ? '153' : undefined),
      },
    );
    expect(told.drops).toEqual(drops);
    expect(told.uploads).toHaveLength(uploads);
    expect(told.popups).toHaveLength(popups);
  });

  test('20: two overlapping calls of the same number: two uploads, two ids, never mixed', () => {
    const stream = script().incoming('c1').at(200).incoming('c2').at(1000);
    stream.dial('c1', 'p150', { ext: '150' }).ring('p150').dial('c2', 'p151', { ext: '151' }).ring('p151');
    stream.at(3000).answer('p150').bridge('b1', 'p150', 'c1').at(5000).answer('p151').bridge('b2', 'p151', 'c2');
    stream.at(8000).hangup('c1').hangup('p150').at(9000).hangup('c2').hangup('p151');
    expect(outcome(stream).uploads).toEqual(['c1: in answered 3+5 of 150', 'c2: in answered 5+4 of 151']);
  });

  test.each(['anonymous', 'unknown', '', '<unknown>', undefined])('21: a hidden number told as %p', (from) => {
    const stream = script();
    stream.incoming('c', from === undefined ? {} : { from });
    const first = stream.events[0];
    if (from === undefined && first?.event === 'Newchannel')
      stream.events[0] = { ...first, chan: { ...first.chan, callerNum: undefined } };
    stream.at(2000).hangup('c');
    expect(outcome(stream).calls).toMatchObject([{ customerPhone: null, logToCrm: true }]);
    expect(outcome(stream, {}, {}, { anonymousPhone: 'hidden' }).uploads).toHaveLength(1);
    expect(outcome(stream, { anonymous: false })).toMatchObject({ uploads: [], drops: ['c anonymous_off'] });
  });

  test.each(['+375290000001', '375290000001', '80290000001', '810375290000001', '00375290000001', '+375 29 000-00-01'])(
    '22: the customer is the same however her number is written: %s',
    (from) => {
      const { calls } = outcome(script().incoming('c', { from }).at(2000).hangup('c'));
      expect(calls).toMatchObject([{ customerPhone: '+375290000001' }]);
    },
  );

  test('33: nothing expires under a call of five hours', () => {
    const stream = answers(ringsAt('150').at(4000), '150');
    for (let hour = 1; hour <= 5; hour++) stream.at(hour * 3_600_000).tick();
    expect(outcome(leaves(stream, '150')).uploads).toEqual(['c: in answered 4+17996 of 150']);
  });

  test('37: an unknown end point answers: the call is answered, its name is the party', () => {
    const stream = script().incoming('c').at(1000).dial('c', 'x', { name: 'PJSIP/door' }).ring('x').at(3000);
    stream.answer('x').bridge('b', 'x', 'c').at(9000).hangup('x').hangup('c');
    expect(outcome(stream).uploads).toEqual(['c: in answered 3+6 of door']);
  });
});

describe('what else a PBX does with an incoming call', () => {
  test('pickup: the owner is who picked up, though she was never called', () => {
    const stream = ringsAt('150').at(3000).employee('k', '152', '*8').linked('k', 'c');
    stream
      .enter('b', 'k')
      .dialEnd('p150', 'CANCEL')
      .hangup('p150', 26)
      .bridge('b', 'c')
      .at(9000)
      .hangup('k')
      .hangup('c');
    expect(outcome(stream).uploads).toEqual(['c: in answered 3+6 of 152']);
  });

  test('two customers parked in one lot do not talk with each other', () => {
    const stream = script().incoming('c1').incoming('c2', { from: '+375290000002' }).at(1000);
    for (const [customer, ext] of [
      ['c1', '150'],
      ['c2', '151'],
    ] as const) {
      stream
        .dial(customer, `p${ext}`, { ext })
        .ring(`p${ext}`)
        .answer(`p${ext}`)
        .bridge(`b${ext}`, `p${ext}`, customer);
      stream
        .wait(1000)
        .blind(`p${ext}`, '700')
        .leave(customer)
        .enter('lot', customer, 'holding_bridge')
        .hangup(`p${ext}`);
    }
    // 152 fetches the second one; the first is given up.
    stream.at(10_000).employee('k', '152', '702').linked('k', 'c2').leave('c2').bridge('b3', 'k', 'c2');
    stream.at(15_000).hangup('c1').at(20_000).hangup('k').hangup('c2');
    const { calls, uploads } = outcome(stream);
    expect(calls.map((call) => call.handledBy)).toEqual([['150'], ['151', '152']]);
    expect(calls.map((call) => call.transfers)).toMatchObject([
      [{ type: 'park', from: '150', result: 'no answer' }],
      [{ type: 'park', from: '151', to: '152', result: 'answered' }],
    ]);
    expect(uploads).toEqual(['c1: in answered 1+14 of 150', 'c2: in answered 2+18 of 152']);
  });

  test('a conference: the third party is heard, each customer keeps a call of her own', () => {
    const stream = script().incoming('c1').incoming('c2', { from: '+375290000002' }).at(1000).employee('e', '150');
    for (const id of ['c1', 'c2', 'e']) stream.up(id).enter('room', id, 'softmix');
    stream.at(9000).hangup('c1').at(10_000).hangup('e').hangup('c2');
    const { calls } = outcome(stream);
    expect(calls.map((call) => [call.externalId, call.result])).toEqual([
      ['pbx1-c1', 'answered'],
      ['pbx1-c2', 'answered'],
    ]);
    for (const call of calls) expect(call.handledBy).toContain('150');
  });

  test('302 to an outside number: still the incoming call, no outgoing one beside it', () => {
    const stream = ringsAt('150').at(1500).dialEnd('p150', 'CANCEL', '80290000778').hangup('p150', 23);
    stream.local('l', 'c', '80290000778').dialBegin('c', 'l;1', { name: 'Local/80290000778@from-internal' });
    stream.dial('l;2', 'o', { number: '80290000778' }).at(4000).answer('o').bridge('b1', 'o', 'l;2');
    stream.answer('l;1').up('c').bridge('b2', 'l;1', 'c').at(9000).hangup('o').hangup('l;2').hangup('l;1').hangup('c');
    const { calls, drops } = outcome(stream);
    expect(calls).toMatchObject([
      { externalId: 'pbx1-c', direction: 'in', result: 'answered', handledBy: ['+375290000778'] },
    ]);
    expect(calls[0]?.rang).toMatchObject([{ ext: '150', outcome: 'forwarded' }]);
    expect(drops).toEqual([]);
  });

  test("14: forward to an employee's mobile: the employee talked, still incoming, no outgoing call", () => {
    const stream = script()
      .incoming('c')
      .at(1000)
      .local('l', 'c', '153')
      .dialBegin('c', 'l;1', { name: 'Local/153@from-internal' });
    stream
      .dial('l;2', 'o', { number: '80290000999' })
      .at(4000)
      .answer('o')
      .bridge('b1', 'o', 'l;2')
      .answer('l;1')
      .up('c');
    stream.bridge('b2', 'l;1', 'c').at(9000).hangup('o').hangup('l;2').hangup('l;1').hangup('c');
    const told = outcome(stream, {}, { employeeByMobile: (e164) => (e164 === '+375290000999' ? '153' : undefined) });
    expect(told.uploads).toEqual(['c: in answered 4+5 of 153']);
    expect(told.calls).toMatchObject([{ direction: 'in', handledBy: ['153'] }]);
  });

  test('forwarded legs as calls of their own, where the enterprise wants them so', () => {
    const stream = ringsAt('150').at(3000);
    answers(stream, '150').at(5000).dial('c', 'o', { number: '80290000778' }).hangup('p150');
    stream.at(8000).answer('o').bridge('b2', 'o', 'c').at(12_000).hangup('o').hangup('c');
    expect(outcome(stream).calls.map((call) => call.direction)).toEqual(['in']);
    const own = outcome(stream, { forwardedLegs: 'own_call' }).calls;
    expect(own.map((call) => call.direction).sort()).toEqual(['in', 'out']);
    expect(own.find((call) => call.direction === 'out')).toMatchObject({
      customerPhone: '+375290000778',
      externalId: 'pbx1-o',
    });
  });

  test.each([
    { name: 'blacklisted', over: { exclusion: () => 'blacklisted' as const } },
    { name: 'did_off', over: { exclusion: () => 'did_off' as const } },
  ])('$name: known from the first event: no popup, no upload, one row in the ledger', ({ name, over }) => {
    const told = outcome(leaves(answers(ringsAt('150').at(3000), '150').at(9000), '150'), {}, over);
    expect(told).toMatchObject({ popups: [], uploads: [], drops: [`c ${name}`] });
    expect(told.calls).toMatchObject([{ logToCrm: false, result: 'answered' }]);
  });

  test.each([
    { minimum: 3, drops: ['c too_short'] },
    { minimum: 2, drops: [] },
  ])('a missed call of 2 s with a minimum of $minimum s', ({ minimum, drops }) => {
    expect(outcome(script().incoming('c').at(2000).hangup('c', 0), { minimumSeconds: minimum }).drops).toEqual(drops);
  });

  test('a forwarding loop of 60 channels in 0.2 s is one call', () => {
    const stream = script().incoming('c').at(1000);
    let from = 'c';
    for (let i = 0; i < 20; i++) {
      stream.wait(10).local(`l${i}`, 'c', '150').dialBegin(from, `l${i};1`, { name: 'Local/150@from-internal' });
      stream.dial(`l${i};2`, `p${i}`, { ext: '150' }).dialEnd(`p${i}`, 'CANCEL', '150').hangup(`p${i}`, 23);
      from = `l${i};2`;
    }
    for (let i = 19; i >= 0; i--) stream.hangup(`l${i};2`).hangup(`l${i};1`);
    const { calls, uploads, drops } = outcome(stream.wait(100).hangup('c'));
    expect(calls).toHaveLength(1);
    expect(calls[0]?.rang).toHaveLength(20);
    expect(uploads).toEqual(['c: in no answer 1+0 of 150']);
    expect(drops).toEqual([]);
  });
});

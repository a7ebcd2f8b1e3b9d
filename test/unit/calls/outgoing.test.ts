import { describe, expect, test } from '@jest/globals';
import { outcome, type Script, script, story } from '../../support/callsScript.ts';

const mobile = '80290000001';

/** Employee 150 (channel `e`) dials the customer (channel `o`) at 1.0 s. */
function dials(stream = script(), number = mobile): Script {
  return stream.employee('e', '150', number).at(1000).dial('e', 'o', { number });
}

/** Click-to-call: the phone `e` of 150 is called first and shows the customer. */
function click(): Script {
  return script().dial(undefined, 'e', { ext: '150', shows: '+375290000001' }).ring('e');
}

describe('outgoing calls', () => {
  test('answered: the popup goes to who dialled, the talk counts from the answer', () => {
    const stream = dials().at(5000).answer('o').up('e').bridge('b', 'o', 'e').at(15_000).hangup('o').hangup('e');
    const { calls, popups, uploads } = outcome(stream);
    expect(calls).toMatchObject([
      {
        externalId: 'pbx1-e',
        direction: 'out',
        customerPhone: '+375290000001',
        externalPhone: '+375171234501',
        initiatedBy: '150',
        waitSeconds: 4,
        talkSeconds: 10,
      },
    ]);
    expect(popups).toEqual(['1 out 150', '15 hangup 150 answered']);
    expect(uploads).toEqual(['e: out answered 4+10 of 150']);
  });

  test.each([
    { dialStatus: 'BUSY', cause: 17, upload: 'e: out busy 2+0 of 150', popup: '3 hangup 150 busy' },
    { dialStatus: 'NOANSWER', cause: 19, upload: 'e: out no answer 2+0 of 150', popup: '3 hangup 150 no answered' },
    { dialStatus: 'CANCEL', cause: 127, upload: 'e: out no answer 2+0 of 150', popup: '3 hangup 150 cancel' },
    { dialStatus: 'CONGESTION', cause: 34, upload: 'e: out failed 2+0 of 150', popup: '3 hangup 150 failed' },
  ])('$dialStatus with cause $cause', ({ dialStatus, cause, upload, popup }) => {
    const stream = dials().at(3000).dialEnd('o', dialStatus).hangup('o', cause).hangup('e', 16);
    expect(outcome(stream)).toMatchObject({ uploads: [upload], popups: ['1 out 150', popup] });
  });

  test('trunk failover: two outside legs, one call, the second one answers', () => {
    const stream = dials().at(2000).dialEnd('o', 'CONGESTION').hangup('o', 34);
    stream.wait(20).dial('e', 'o2', { number: mobile, trunk: 'provider-ru' }).at(6000).answer('o2').up('e');
    stream.bridge('b', 'o2', 'e').at(9000).hangup('o2').hangup('e');
    expect(outcome(stream)).toMatchObject({
      uploads: ['e: out answered 5+3 of 150'],
      popups: ['1 out 150', '9 hangup 150 answered'],
    });
  });

  test('the same channel tries another number: that is its second call', () => {
    const stream = dials().at(2000).dialEnd('o', 'BUSY').hangup('o', 17);
    stream.wait(500).dial('e', 'o2', { number: '80290000002' }).at(6000).answer('o2').up('e').bridge('b', 'o2', 'e');
    const { calls } = outcome(stream.at(9000).hangup('o2').hangup('e'));
    expect(calls.map((call) => [call.externalId, call.customerPhone, call.result])).toEqual([
      ['pbx1-e', '+375290000001', 'busy'],
      ['pbx1-e-2', '+375290000002', 'answered'],
    ]);
  });

  test('one channel dials the next customer after a finished call: its id gets -2', () => {
    const stream = dials().at(3000).answer('o').up('e').bridge('b', 'o', 'e').at(5000).hangup('o');
    stream.at(6000).dial('e', 'o2', { number: mobile }).at(8000).answer('o2').bridge('b2', 'o2', 'e').at(9000);
    const { calls } = outcome(stream.hangup('o2').hangup('e'));
    expect(calls.map((call) => [call.externalId, call.result])).toEqual([
      ['pbx1-e', 'answered'],
      ['pbx1-e-2', 'answered'],
    ]);
  });

  test('17: an internal call is nothing to the CRM but has its row in the ledger', () => {
    const stream = script().employee('e', '150', '151').at(500).dial('e', 'p', { ext: '151' }).ring('p').at(3000);
    stream.answer('p').up('e').bridge('b', 'p', 'e').at(9000).hangup('p').hangup('e');
    const { popups, uploads, drops, calls } = outcome(stream);
    expect({ popups, uploads, drops }).toEqual({ popups: [], uploads: [], drops: ['e internal'] });
    expect(calls).toMatchObject([{ direction: 'internal', logToCrm: false, answeredBy: '151', initiatedBy: '150' }]);
  });

  test('feature codes and the mailbox are internal traffic', () => {
    const stream = script().employee('e', '150', '*97').at(200).up('e').at(9000).hangup('e');
    expect(outcome(stream)).toEqual({ calls: [], popups: [], uploads: [], drops: ['e internal'] });
  });

  test('a short service number outside is told as it was dialled', () => {
    const stream = dials(script(), '103')
      .at(3000)
      .answer('o')
      .up('e')
      .bridge('b', 'o', 'e')
      .at(5000)
      .hangup('o')
      .hangup('e');
    expect(outcome(stream).calls).toMatchObject([{ direction: 'out', customerPhone: '103', result: 'answered' }]);
  });

  test.each([
    { why: 'employee_mobile', over: { employeeByMobile: () => '153' } },
    { why: 'blacklisted', over: { exclusion: () => 'blacklisted' as const } },
  ])('a call to a number that is $why: no popup, no upload, one row in the ledger', ({ why, over }) => {
    const stream = dials().at(5000).answer('o').up('e').bridge('b', 'o', 'e').at(15_000).hangup('o').hangup('e');
    expect(outcome(stream, {}, over)).toMatchObject({ popups: [], uploads: [], drops: [`e ${why}`] });
  });

  test('a number that is none becomes a row of the ledger', () => {
    const stream = dials(script(), '*#').at(3000).dialEnd('o', 'CHANUNAVAIL').hangup('o', 28).hangup('e');
    expect(outcome(stream)).toMatchObject({ uploads: [], drops: ['e number_unparsable'] });
  });
});

describe('18: click-to-call', () => {
  test.each([
    { policy: 'ignore' as const, uploads: [], drops: ['e employee_did_not_answer'] },
    { policy: 'log' as const, uploads: ['e: out no answer 0+0 of 150'], drops: [] },
  ])('the employee does not pick up: $policy', ({ policy, uploads, drops }) => {
    const stream = click().at(20_000).dialEnd('e', 'NOANSWER').hangup('e', 0);
    const told = outcome(stream, { clickNotAnswered: policy });
    expect(told.drops).toEqual(drops);
    expect(told.uploads.map((one) => one.replace(/\d+\+/, '0+'))).toEqual(uploads);
    expect(told.calls).toMatchObject([
      { direction: 'out', customerPhone: '+375290000001', initiatedBy: '150', result: 'no answer' },
    ]);
    expect(told.popups).toEqual([]);
  });

  test('she refuses: busy is her ring, not the call to the customer', () => {
    const { calls } = outcome(click().at(2000).dialEnd('e', 'BUSY').hangup('e', 17));
    expect(calls).toMatchObject([{ result: 'no answer', rang: [{ ext: '150', outcome: 'busy' }] }]);
  });

  test('she picks up and the customer answers: the talk counts from his answer', () => {
    const stream = click().at(3000).answer('e').wait(100).dial('e', 'o', { number: mobile }).at(8000).answer('o');
    stream.bridge('b', 'o', 'e').at(18_000).hangup('o').hangup('e');
    expect(outcome(stream).uploads).toEqual(['e: out answered 5+10 of 150']);
    expect(outcome(stream).calls).toMatchObject([{ initiatedBy: '150', rang: [{ ext: '150', outcome: 'answered' }] }]);
  });

  test('she picks up and the customer is busy', () => {
    const stream = click().at(3000).answer('e').wait(100).dial('e', 'o', { number: mobile }).at(6100);
    expect(outcome(stream.dialEnd('o', 'BUSY').hangup('o', 17).hangup('e')).uploads).toEqual([
      'e: out busy 3+0 of 150',
    ]);
  });
});

test('the facts of an outgoing call, in order', () => {
  const stream = dials().at(5000).answer('o').up('e').bridge('b', 'o', 'e').at(15_000).hangup('o').hangup('e');
  expect(story(stream)).toEqual(['1 call.outgoing e', '5 call.answered by 150', '15 call.finished e answered']);
});

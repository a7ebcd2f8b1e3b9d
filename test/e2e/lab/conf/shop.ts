/** The PBX of a small shop: dial plan, queues, features, parking, conference, voice mail. */
import { dialplanExample } from './example.ts';
import { phoneDial, type Setup, trunkDial } from './setup.ts';

/** Queues whose members are the phones themselves. */
export const phoneQueues = ['sales', 'hunt'];

/** extensions.conf and the files of the applications it uses: file name → content. */
export function shopFiles(setup: Setup): Record<string, string> {
  return {
    'extensions.conf': extensionsConf(setup),
    'queues.conf': queuesConf(setup),
    'features.conf': featuresConf,
    'res_parking.conf': parkingConf,
    'confbridge.conf': confbridgeConf,
    'voicemail.conf': '[general]\nformat=wav\nminsecs=1\nmaxsilence=0\n[default]\n150 => 1234,Operator 150\n',
  };
}

// One key Asterisk does not know and it drops the whole file without an error: keep to keys both versions have.
const featuresConf = `[general]
transferdigittimeout = 8
featuredigittimeout = 5000
atxfernoanswertimeout = 10
atxferdropcall = no
pickupexten = *8
[featuremap]
blindxfer => ##
atxfer => *2
parkcall => #72
`;

/** Two lots: who parks by 700 has all the time he needs, who parks by 750 is back soon. */
const parkingConf = `[general]
[default]
parkext = 700
parkpos = 701-720
context = parkedcalls
parkingtime = 60
findslot = first
parkedcalltransfers = both
[short]
parkext = 750
parkext_exclusive = yes
parkpos = 751-760
context = parkedcalls
parkingtime = 6
comebacktoorigin = yes
comebackdialtime = 8
findslot = first
parkedcalltransfers = both
`;

const confbridgeConf = `[general]
[shop_user]
type = user
quiet = yes
[shop_bridge]
type = bridge
`;

function queuesConf({ driver }: Setup): string {
  const phones = ['150', '151', '152'];
  const direct = phones.map((ext) => `member => ${phoneDial(driver, ext)}`).join('\n');
  // Each queue says its own strategy: one inherited from a template would win over a later line.
  return `[general]
autofill = yes
[defaults](!)
timeout = 8
retry = 1
ringinuse = no
joinempty = yes
leavewhenempty = no
[sales](defaults)
strategy = ringall
${direct}
[hunt](defaults)
strategy = linear
timeout = 6
${direct}
[support](defaults)
strategy = ringall
timeout = 15
member => Local/150@from-queue/n
member => Local/151@from-queue/n
[supportopt](defaults)
strategy = ringall
timeout = 15
member => Local/150@from-queue
member => Local/151@from-queue
`;
}

function extensionsConf({ driver, network }: Setup): string {
  const phone = (ext: string): string => phoneDial(driver, ext);
  return `; The shop: DIDs, employees, outside lines.
[general]
static = yes
writeprotect = yes
clearglobalvars = no

[sub-rec]
exten => s,1,Set(__REC_FILE=\${UNIQUEID}.wav)
same => n,Set(CDR(userfield)=\${ARG1})
same => n,MixMonitor(\${REC_FILE},b)
same => n,Return()

[sub-ext]
exten => s,1,Set(CF=\${DB(CF/\${ARG1})})
same => n,GotoIf($["\${CF}" != ""]?cf)
same => n,Dial(${phone('${ARG1}')},\${ARG2},tkx)
same => n,Return()
same => n(cf),Dial(Local/\${CF}@from-internal,\${ARG2},tkx)
same => n,Return()
${hangupHandler}

[sub-out]
exten => s,1,Set(X_EXT=\${CALLERID(num)})
same => n,Set(CALLERID(all)="Shop" <+375171234501>)
same => n,Gosub(sub-rec,s,1(out))
same => n,Return()

[from-trunk]
exten => _+X.,1,Goto(did,\${EXTEN:1},1)
exten => _X.,1,Goto(did,\${EXTEN},1)
${hangupHandler}

[did]
${did('375171234501', 'Answer()', 'Queue(sales,tkx,,,18)', 'NoOp(QUEUESTATUS ${QUEUESTATUS})', 'Hangup()')}
${did('375171234502', 'Goto(ivr,s,1)')}
${did('375171234503', 'Gosub(sub-ext,s,1(150,8))', 'ExecIf($["${DIALSTATUS}" = "BUSY"]?Hangup(17))', 'Hangup(19)')}
${did('375171234504', 'Set(CALLERID(name)=RG:${CALLERID(name)})', `Dial(${phone('150')}&${phone('151')},40,tkx)`, 'Hangup()')}
${did('375171234505', 'Gosub(sub-ext,s,1(150,4))', 'VoiceMail(150@default,su)', 'Hangup()')}
${did('375171234506', 'Gosub(sub-ext,s,1(150,3))', 'Gosub(sub-ext,s,1(151,8))', 'Gosub(sub-ext,s,1(152,8))', 'Hangup()')}
${did('375171234507', 'Answer()', 'Queue(support,tkx,,,12)', 'Hangup()')}
${did('375171234508', 'Answer()', 'Queue(supportopt,tkx,,,12)', 'Hangup()')}
${did('375171234509', `Dial(${phone('150')}&Local/80290000309@from-internal/n,12,tkx)`, 'Hangup()')}
${did('375171234510', 'Answer()', 'Playback(vm-goodbye)', 'Hangup()')}
${did('375171234511', 'Answer()', 'Queue(hunt,tkx,,,20)', 'Hangup()')}
${did('375171234512', `Dial(${driver === 'pjsip' ? '${PJSIP_DIAL_CONTACTS(152)}' : phone('152')},8,tkx)`, 'Hangup()')}
${did('375171234513', 'Gosub(sub-ext,s,1(150,3))', 'Answer()', 'Queue(sales,tkx,,,18)', 'Hangup()')}
${did('375171234514', 'Goto(incoming-known,${EXTEN},1)')}
${did('74950000601', 'Gosub(sub-ext,s,1(151,8))', 'Hangup()')}
${hangupHandler}

[ivr]
exten => s,1,Answer()
same => n,Wait(0.3)
same => n,Background(vm-press&digits/1&vm-press&digits/2)
same => n,WaitExten(3)
same => n,Hangup()
exten => 1,1,Dial(${phone('150')}&${phone('151')},8,tkx)
same => n,Hangup()
exten => 2,1,Goto(did,375171234501,2)
exten => i,1,Hangup()
exten => t,1,Hangup()
${hangupHandler}

[from-queue]
exten => _1XX,1,Dial(${phone('${EXTEN}')},15,tkx)
same => n,Hangup()
${hangupHandler}

${dialplanExample(network.pbx)}
[from-internal]
include => parkedcalls
include => pause
exten => _1XX,1,Set(CF=\${DB(CF/\${EXTEN})})
same => n,GotoIf($["\${CF}" != ""]?cf)
same => n,Dial(${phone('${EXTEN}')},10,tTkKxX)
same => n,ExecIf($["\${DIALSTATUS}" = "BUSY"]?Hangup(17))
same => n,Hangup()
same => n(cf),Dial(Local/\${CF}@from-internal,10,tTkKxX)
same => n,Hangup()
exten => 600,1,Answer()
same => n,Echo()
exten => 601,1,Queue(sales,tkx,,,18)
same => n,Hangup()
exten => 8001,1,Answer()
same => n,ConfBridge(8001,shop_bridge,shop_user)
same => n,Hangup()
exten => *97,1,Answer()
same => n,VoiceMailMain(150@default,s)
exten => _**1XX,1,PickupChan(${phone('${EXTEN:2}')})
same => n,Hangup()
exten => _80[1-9]XXXXXXXX,1,Goto(outbound,375\${EXTEN:2},1)
exten => _8[3-9]XXXXXXXXX,1,Goto(outbound,7\${EXTEN:1},1)
exten => _810X.,1,Goto(outbound,\${EXTEN:3},1)
exten => _00X.,1,Goto(outbound,\${EXTEN:2},1)
exten => _+X.,1,Goto(outbound,\${EXTEN:1},1)
${hangupHandler}

[outbound]
exten => _375X.,1,Gosub(sub-out,s,1(\${EXTEN}))
same => n,Dial(${trunkDial(driver, 'provider-by', '+${EXTEN}')},40,TKX)
same => n,GotoIf($["\${DIALSTATUS}" = "CONGESTION"]?fo)
same => n,Goto(end-\${DIALSTATUS},1)
same => n(fo),Dial(${trunkDial(driver, 'provider-ru', '+${EXTEN}')},15,TKX)
same => n,Goto(end-\${DIALSTATUS},1)
exten => _7X.,1,Gosub(sub-out,s,1(\${EXTEN}))
same => n,Dial(${trunkDial(driver, 'provider-ru', '+${EXTEN}')},15,TKX)
same => n,Goto(end-\${DIALSTATUS},1)
exten => end-BUSY,1,Hangup(17)
exten => end-NOANSWER,1,Hangup(19)
exten => end-CONGESTION,1,Hangup(34)
exten => end-CHANUNAVAIL,1,Hangup(20)
exten => _end-.,1,Hangup(16)
${hangupHandler}
`;
}

// Real dial plans have one: events of the channel go on after the hang-up request.
const hangupHandler = 'exten => h,1,NoOp(end ${DIALSTATUS} ${HANGUPCAUSE})';

/** One DID: recorded from the start, then what it does. */
function did(number: string, ...steps: string[]): string {
  return [`exten => ${number},1,Gosub(sub-rec,s,1(in))`, ...steps.map((step) => `same => n,${step}`)].join('\n');
}

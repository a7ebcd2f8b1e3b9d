/** asterisk.conf, modules.conf, manager.conf and the other files that are not about calls. */
import type { Setup } from './setup.ts';

/** Configuration files without the dial plan and the SIP side: file name → content. */
export function coreFiles(setup: Setup): Record<string, string> {
  return {
    'asterisk.conf': asteriskConf(setup),
    'modules.conf': modulesConf(setup),
    'manager.conf': managerConf(setup),
    'logger.conf': '[general]\ndateformat=%F %T.%3q\n[logfiles]\nfull => notice,warning,error,verbose\n',
    'rtp.conf': `[general]\nrtpstart=${setup.network.rtp.first}\nrtpend=${setup.network.rtp.last}\nstrictrtp=no\nicesupport=no\n`,
    'cdr.conf': '[general]\nenable=yes\nunanswered=yes\n[csv]\nusegmtime=yes\nloguniqueid=yes\nloguserfield=yes\n',
    'cdr_manager.conf': `[general]\nenabled=${setup.cdrEvents ? 'yes' : 'no'}\n`,
    'cel.conf': '[general]\nenable=yes\napps=dial,queue\nevents=ALL\n',
    'cel_custom.conf':
      '[mappings]\nMaster.csv => ${CSV_QUOTE(${eventtype})},${CSV_QUOTE(${eventtime})},${CSV_QUOTE(${CALLERID(num)})},' +
      '${CSV_QUOTE(${CHANNEL(exten)})},${CSV_QUOTE(${CHANNEL(channame)})},${CSV_QUOTE(${CHANNEL(uniqueid)})},' +
      '${CSV_QUOTE(${CHANNEL(linkedid)})},${CSV_QUOTE(${BRIDGEPEER})},${CSV_QUOTE(${eventextra})}\n',
    'indications.conf':
      '[general]\ncountry=us\n[us]\ndescription=tones\nringcadence=2000,4000\ndial=350+440\nbusy=480+620/500,0/500\n' +
      'ring=440+480/2000,0/4000\ncongestion=480+620/250,0/250\ncallwaiting=440/300,0/10000\ndialrecall=350+440\n' +
      'record=1400/500,0/15000\ninfo=!950/330,!1400/330,!1800/330,0\nstutter=350+440\n',
    'musiconhold.conf': '[general]\n[default]\nmode=files\ndirectory=/usr/share/asterisk/sounds/en/digits\n',
  };
}

function asteriskConf({ home, tree, systemName }: Setup): string {
  return `[directories]
astetcdir => ${home}/etc
astmoddir => ${tree.moduleDir}
astvarlibdir => ${home}/lib
astdbdir => ${home}/lib
astkeydir => ${home}/lib
astdatadir => /usr/share/asterisk
astagidir => ${home}/lib
astspooldir => ${home}/spool
astrundir => ${home}/run
astlogdir => ${home}/log
${tree.version >= 18 ? `astcachedir => ${home}/cache\n` : ''}
[options]
verbose = 3
${systemName === '' ? '' : `systemname = ${systemName}\n`}`;
}

function managerConf({ network, timestamps, channelVars, daemon, full }: Setup): string {
  return `[general]
enabled = yes
bindaddr = ${network.pbx}
port = ${network.amiPort}
timestampevents = ${timestamps ? 'yes' : 'no'}
${channelVars === '' ? '' : `channelvars = ${channelVars}\n`}
[${daemon.user}]
secret = ${daemon.secret}
read = call,system,agent
write = call,originate,reporting,agent

[${full.user}]
secret = ${full.secret}
read = all
write = all
`;
}

/** What the lab's PBX needs; a module this tree does not have is left out, a SIP driver that is not used is too. */
function modulesConf({ tree, driver }: Setup): string {
  const wanted = `${common} ${driver === 'pjsip' ? pjsip : 'res_http_websocket chan_sip'}`.trim().split(/\s+/);
  const load = wanted.filter((module) => tree.modules.has(module)).map((module) => `load = ${module}.so`);
  return `[modules]\nautoload = no\n${load.join('\n')}\n`;
}

const pjsip = `
  res_sorcery_memory res_sorcery_astdb res_pjsip res_pjsip_session res_pjsip_pubsub
  res_pjsip_sdp_rtp res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest res_pjsip_caller_id
  res_pjsip_diversion res_pjsip_dtmf_info res_pjsip_empty_info res_pjsip_endpoint_identifier_ip
  res_pjsip_endpoint_identifier_user res_pjsip_acl res_pjsip_logger res_pjsip_nat res_pjsip_refer res_pjsip_registrar
  res_pjsip_rfc3326 res_pjsip_header_funcs res_pjsip_dlg_options res_pjsip_maintenance func_pjsip_endpoint
  func_pjsip_aor func_pjsip_contact chan_pjsip`;

// res_cdrel_custom must come before the two that need it in 22; 16 does not have it.
const common = `
  res_timing_timerfd res_timing_pthread res_sorcery_config res_pjproject res_rtp_asterisk res_musiconhold res_parking res_speech res_agi res_adsi res_smdi
  res_convert res_clioriginate res_manager_devicestate res_cdrel_custom
  bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_native_rtp bridge_simple bridge_softmix
  codec_a_mu codec_alaw codec_ulaw codec_gsm codec_resample
  format_gsm format_pcm format_wav format_wav_gsm format_sln
  pbx_config cdr_csv cdr_manager cel_custom cel_manager
  app_dial app_queue app_playback app_voicemail app_confbridge app_mixmonitor app_chanspy app_directed_pickup app_stack
  app_verbose app_read app_echo app_userevent app_exec app_transfer app_while app_bridgewait
  app_channelredirect app_originate app_forkcdr app_senddtmf app_cdr app_softhangup app_controlplayback app_playtones
  app_system
  func_callerid func_cdr func_channel func_db func_logic func_strings func_math func_timeout func_global func_hangupcause
  func_dialplan func_cut func_env func_devstate func_sprintf func_sysinfo func_shell func_uri func_extstate`;

process.stdout.write('asterisk-retailcrm\n');

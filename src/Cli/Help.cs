// The answer to --help: short enough for one screen; aotftpd(8) has the rest.
namespace Aotftpd.Cli;

internal static class Help
{
    internal const string Text =
        """
        Usage: aotftpd [CONFIG...] [-oNAME=VALUE...]     start the service
               aotftpd --check [--live] [--json] [CONFIG...] [-oNAME=VALUE...]
               aotftpd VERB [--json] [CONFIG] [-ocontrol_socket=PATH]

        An FTP server that reads the configuration of vsftpd. Files and settings are
        read in the order given, the last one wins; without a file:
        /etc/aotftpd/aotftpd.conf.

        Options:
          -oNAME=VALUE     set one option, as a line NAME=VALUE of the file would
          --check          report every error and warning of the configuration,
                           and what each process of the service may do
          --live           with --check: compare the running service with that
          --pid=PID        with --live: the listener's process
          --json           print the answer of --check or of a verb as JSON
          -v, --version    print the version
          -h, --help       print this text

        Verbs, for the running service:
          status           what it is and how busy
          who              one line for each client
          reload           read the configuration again, as SIGHUP does
          stop             end the service and every session

        Exit codes: 0 done, 1 failed, 2 bad arguments or configuration.
        See aotftpd(8) and aotftpd.conf(5).

        """;
}

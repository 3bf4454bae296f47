// What must hold between options, whatever each says by itself. Pure: what needs the machine (accounts, files, ports,
// capabilities) is checked by Start, which knows it.
// Runs in start, config (a reload) and, for files per user, auth. A finding names the option to change and is given its
// file and line by ConfFile.
using System;
using System.Collections.Generic;

namespace Aotftpd.Config;

/// <summary>Checks across options.</summary>
internal static class Consistency
{
    /// <summary>One finding, and the options that it is about; the first is the one to show.</summary>
    internal readonly struct Finding
    {
        internal Finding(bool isError, int option, int other, string text)
        {
            IsError = isError;
            Option = option;
            Other = other;
            Text = text;
        }

        /// <summary>Whether the configuration must not be used.</summary>
        internal bool IsError { get; }

        /// <summary>The option to show.</summary>
        internal int Option { get; }

        /// <summary>A second option that it depends on, or -1.</summary>
        internal int Other { get; }

        /// <summary>What is wrong.</summary>
        internal string Text { get; }
    }

    /// <summary>All findings in the settings of the whole server.</summary>
    internal static List<Finding> Check(Settings settings)
    {
        List<Finding> findings = [];
        CheckPromises(settings, findings);
        CheckLogins(settings, findings);
        CheckNetwork(settings, findings);
        CheckPassive(settings, findings, settings.PasvAddrResolve);
        CheckPaths(settings, findings);
        CheckRest(settings, findings);
        return findings;
    }

    /// <summary>All findings in settings with a user's file on top.</summary>
    internal static List<Finding> CheckUser(Settings settings)
    {
        List<Finding> findings = [];
        CheckPassive(settings, findings, false);
        if (settings.GuestEnable && settings.GuestUsername.Length == 0)
        {
            Error(findings, OptionIndex.GuestUsername, "guest_enable=YES needs an account here", OptionIndex.GuestEnable);
        }

        return findings;
    }

    // What an administrator would believe to be in force, and is not, is refused.
    private static void CheckPromises(Settings s, List<Finding> findings)
    {
        if (s.SslEnable)
        {
            Error(findings, OptionIndex.SslEnable, "this version has no TLS yet, and serving without it is not what was asked for; only NO is accepted");
        }

        if (s.TcpWrappers)
        {
            Error(findings, OptionIndex.TcpWrappers, "this server is built without tcp_wrappers, and its rules would not be heeded; only NO is accepted");
        }

        if (!s.FtpEnable)
        {
            Error(findings, OptionIndex.FtpEnable, "this server speaks only FTP; only YES is accepted");
        }
    }

    private static void CheckLogins(Settings s, List<Finding> findings)
    {
        if (!s.AnonymousEnable && !s.LocalEnable)
        {
            Error(findings, OptionIndex.AnonymousEnable, "nobody could log in: anonymous_enable or local_enable must be YES", OptionIndex.LocalEnable);
        }

        if (s.GuestEnable && !s.LocalEnable)
        {
            Warning(findings, OptionIndex.GuestEnable, "has no effect without local_enable=YES", OptionIndex.LocalEnable);
        }

        if (s.RunAsLaunchingUser && s.LocalEnable && !s.GuestEnable)
        {
            Error(findings, OptionIndex.LocalEnable, "run_as_launching_user=YES can't become another user: only anonymous clients and guests are possible with it", OptionIndex.RunAsLaunchingUser);
        }

        NeedsText(s, findings, s.AnonymousEnable, OptionIndex.FtpUsername, OptionIndex.AnonymousEnable);
        NeedsText(s, findings, s.LocalEnable, OptionIndex.PamServiceName, OptionIndex.LocalEnable);
        NeedsText(s, findings, s.LocalEnable && s.UserlistEnable, OptionIndex.UserlistFile, OptionIndex.UserlistEnable);
        NeedsText(s, findings, s.ChrootListEnable, OptionIndex.ChrootListFile, OptionIndex.ChrootListEnable);
        NeedsText(s, findings, s.DenyEmailEnable, OptionIndex.BannedEmailFile, OptionIndex.DenyEmailEnable);
        NeedsText(s, findings, s.SecureEmailListEnable, OptionIndex.EmailPasswordFile, OptionIndex.SecureEmailListEnable);
        NeedsText(s, findings, s.GuestEnable, OptionIndex.GuestUsername, OptionIndex.GuestEnable);
        NeedsText(s, findings, s.ChownUploads, OptionIndex.ChownUsername, OptionIndex.ChownUploads);
    }

    private static void CheckNetwork(Settings s, List<Finding> findings)
    {
        if (s.ListenAddress.Length != 0 && !Addresses.TryParseIpv4(s.ListenAddress, out _))
        {
            Error(findings, OptionIndex.ListenAddress, "wanted an IPv4 address as a number, such as 192.0.2.1");
        }

        if (s.ListenAddress6.Length != 0 && !Addresses.TryParseIpv6(s.ListenAddress6, stackalloc byte[16]))
        {
            Error(findings, OptionIndex.ListenAddress6, "wanted an IPv6 address as a number, such as 2001:db8::1");
        }

        if (s.ListenAddress.Length != 0 && !s.Listen)
        {
            Warning(findings, OptionIndex.ListenAddress, "has no effect without listen=YES", OptionIndex.Listen);
        }

        if (s.ListenAddress6.Length != 0 && !s.ListenIpv6)
        {
            Warning(findings, OptionIndex.ListenAddress6, "has no effect without listen_ipv6=YES", OptionIndex.ListenIpv6);
        }

        if (s.PerSourcePenaltyMin > s.PerSourcePenaltyMax)
        {
            Error(findings, OptionIndex.PerSourcePenaltyMin, "more than per_source_penalty_max: no penalty would ever be in force", OptionIndex.PerSourcePenaltyMax);
        }

        if (!Network.TryParseList(s.PerSourcePenaltiesExempt, []))
        {
            Error(findings, OptionIndex.PerSourcePenaltiesExempt, "wanted addresses or networks such as 192.0.2.0/24, with commas between them");
        }

        if (!s.PortEnable && !s.PasvEnable)
        {
            Warning(findings, OptionIndex.PasvEnable, "with port_enable and pasv_enable both NO nothing can be transferred", OptionIndex.PortEnable);
        }
    }

    private static void CheckPassive(Settings s, List<Finding> findings, bool addressIsName)
    {
        if (s.PasvMaxPort != 0 && s.PasvMaxPort < s.PassivePortLow)
        {
            Error(findings, OptionIndex.PasvMaxPort, $"below pasv_min_port, which is {s.PassivePortLow}; wanted a port from there to 65535, or 0", OptionIndex.PasvMinPort);
        }

        if (s.PasvAddress.Length == 0 || addressIsName)
        {
            return;
        }

        if (!Addresses.TryParseIpv4(s.PasvAddress, out uint address))
        {
            Error(findings, OptionIndex.PasvAddress, "wanted an IPv4 address as a number, such as 192.0.2.1; a name needs pasv_addr_resolve=YES", OptionIndex.PasvAddrResolve);
        }
        else if (address == 0 || address >= 0xe0000000)
        {
            Error(findings, OptionIndex.PasvAddress, "no client can connect to this address");
        }
    }

    private static void CheckPaths(Settings s, List<Finding> findings)
    {
        NeedsText(s, findings, true, OptionIndex.NoprivUser, -1);
        NeedsText(s, findings, true, OptionIndex.ServiceUser, -1);
        NeedsAbsolute(s, findings, OptionIndex.SecureChrootDir, false);
        NeedsAbsolute(s, findings, OptionIndex.XferlogFile, !WritesXferlog(s));
        NeedsAbsolute(s, findings, OptionIndex.VsftpdLogFile, !WritesVsftpdLog(s));
        NeedsAbsolute(s, findings, OptionIndex.ControlSocket, true);
    }

    private static void CheckRest(Settings s, List<Finding> findings)
    {
        if (!s.WriteEnable)
        {
            NeedsWriteEnable(s, findings, OptionIndex.AnonUploadEnable);
            NeedsWriteEnable(s, findings, OptionIndex.AnonMkdirWriteEnable);
            NeedsWriteEnable(s, findings, OptionIndex.AnonOtherWriteEnable);
            NeedsWriteEnable(s, findings, OptionIndex.SymlinkEnable);
        }

        if (s.CmdsAllowed.Length != 0 && !HoldsCommand(s.CmdsAllowed, "QUIT"u8))
        {
            Warning(findings, OptionIndex.CmdsAllowed, "QUIT is not among them and will be refused");
        }

        if (s.LogFtpProtocol && !WritesVsftpdLog(s) && !s.SyslogEnable)
        {
            Warning(findings, OptionIndex.LogFtpProtocol, "has no effect without a log in vsftpd's format: xferlog_enable=YES with xferlog_std_format=NO, or dual_log_enable=YES, or syslog_enable=YES", OptionIndex.DualLogEnable);
        }

        foreach (byte c in s.PamCapabilities)
        {
            if (!(c is (>= (byte)'a' and <= (byte)'z') or (>= (byte)'A' and <= (byte)'Z') or (byte)'_' or (byte)' ' or (byte)','))
            {
                Error(findings, OptionIndex.PamCapabilities, "wanted names as in capabilities(7), between blanks or commas");
                break;
            }
        }
    }

    private static bool WritesXferlog(Settings s) => s.DualLogEnable || (s.XferlogEnable && s.XferlogStdFormat);

    private static bool WritesVsftpdLog(Settings s) => s.DualLogEnable || (s.XferlogEnable && !s.XferlogStdFormat);

    private static bool HoldsCommand(ReadOnlySpan<byte> list, ReadOnlySpan<byte> command)
    {
        while (true)
        {
            int comma = list.IndexOf((byte)',');
            if ((comma < 0 ? list : list[..comma]).SequenceEqual(command))
            {
                return true;
            }

            if (comma < 0)
            {
                return false;
            }

            list = list[(comma + 1)..];
        }
    }

    private static void NeedsWriteEnable(Settings s, List<Finding> findings, int option)
    {
        if (s.Flag(option))
        {
            Warning(findings, option, "has no effect without write_enable=YES", OptionIndex.WriteEnable);
        }
    }

    private static void NeedsText(Settings s, List<Finding> findings, bool needed, int option, int because)
    {
        if (needed && s.Text(option).Length == 0)
        {
            string reason = because < 0 ? "" : $" with {OptionTable.Rows[because].Name}=YES";
            Error(findings, option, $"must not be empty{reason}", because);
        }
    }

    private static void NeedsAbsolute(Settings s, List<Finding> findings, int option, bool mayBeEmpty)
    {
        byte[] path = s.Text(option);
        if (path.Length == 0 ? !mayBeEmpty : path[0] != (byte)'/')
        {
            Error(findings, option, "wanted a path that begins with /");
        }
    }

    private static void Error(List<Finding> findings, int option, string text, int other = -1) => findings.Add(new Finding(true, option, other, text));

    private static void Warning(List<Finding> findings, int option, string text, int other = -1) => findings.Add(new Finding(false, option, other, text));
}

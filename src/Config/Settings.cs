// The values of all options, fixed once made: a session keeps those it started with whatever is reloaded meanwhile.
// Runs in every role; who made them has checked them (ConfFile from files, Snapshot from another role).
// Values lie in two arrays indexed by OptionIndex, so that code which treats all options alike loops over the table.
// Strings are raw bytes, and an empty one is unset. The arrays handed out are shared: nobody writes into them.
using System;

namespace Aotftpd.Config;

/// <summary>Immutable values of all options.</summary>
internal sealed class Settings
{
    private readonly long[] _numbers;
    private readonly byte[][] _texts;

    /// <summary>Takes both arrays, each <see cref="OptionIndex.Count"/> long, for its own.</summary>
    internal Settings(long[] numbers, byte[][] texts)
    {
        _numbers = numbers;
        _texts = texts;
    }

    /// <summary>What holds when nothing is configured.</summary>
    internal static Settings Defaults { get; } = MakeDefaults();

    // Who may log in.
    internal bool AnonymousEnable => Flag(OptionIndex.AnonymousEnable);
    internal bool LocalEnable => Flag(OptionIndex.LocalEnable);
    internal bool NoAnonPassword => Flag(OptionIndex.NoAnonPassword);
    internal bool DenyEmailEnable => Flag(OptionIndex.DenyEmailEnable);
    internal byte[] BannedEmailFile => Text(OptionIndex.BannedEmailFile);
    internal bool SecureEmailListEnable => Flag(OptionIndex.SecureEmailListEnable);
    internal byte[] EmailPasswordFile => Text(OptionIndex.EmailPasswordFile);
    internal bool UserlistEnable => Flag(OptionIndex.UserlistEnable);
    internal bool UserlistDeny => Flag(OptionIndex.UserlistDeny);
    internal byte[] UserlistFile => Text(OptionIndex.UserlistFile);
    internal bool UserlistLog => Flag(OptionIndex.UserlistLog);
    internal bool CheckShell => Flag(OptionIndex.CheckShell);
    internal byte[] PamServiceName => Text(OptionIndex.PamServiceName);
    internal bool SessionSupport => Flag(OptionIndex.SessionSupport);
    internal bool GuestEnable => Flag(OptionIndex.GuestEnable);
    internal byte[] GuestUsername => Text(OptionIndex.GuestUsername);
    internal bool VirtualUseLocalPrivs => Flag(OptionIndex.VirtualUseLocalPrivs);
    internal byte[] UserSubToken => Text(OptionIndex.UserSubToken);
    internal byte[] UserConfigDir => Text(OptionIndex.UserConfigDir);
    internal int DelayFailedLogin => (int)Number(OptionIndex.DelayFailedLogin);
    internal int DelaySuccessfulLogin => (int)Number(OptionIndex.DelaySuccessfulLogin);
    internal int MaxLoginFails => (int)Number(OptionIndex.MaxLoginFails);
    internal bool ReverseLookupEnable => Flag(OptionIndex.ReverseLookupEnable);

    // Directories, jail, identity.
    internal byte[] FtpUsername => Text(OptionIndex.FtpUsername);
    internal byte[] AnonRoot => Text(OptionIndex.AnonRoot);
    internal byte[] LocalRoot => Text(OptionIndex.LocalRoot);
    internal bool ChrootLocalUser => Flag(OptionIndex.ChrootLocalUser);
    internal bool ChrootListEnable => Flag(OptionIndex.ChrootListEnable);
    internal byte[] ChrootListFile => Text(OptionIndex.ChrootListFile);
    internal bool PasswdChrootEnable => Flag(OptionIndex.PasswdChrootEnable);
    internal bool AllowWriteableChroot => Flag(OptionIndex.AllowWriteableChroot);
    internal byte[] NoprivUser => Text(OptionIndex.NoprivUser);
    internal byte[] SecureChrootDir => Text(OptionIndex.SecureChrootDir);
    internal bool OneProcessModel => Flag(OptionIndex.OneProcessModel);
    internal bool RunAsLaunchingUser => Flag(OptionIndex.RunAsLaunchingUser);
    internal bool Isolate => Flag(OptionIndex.Isolate);
    internal bool IsolateNetwork => Flag(OptionIndex.IsolateNetwork);
    internal bool SeccompSandbox => Flag(OptionIndex.SeccompSandbox);
    internal bool PtraceSandbox => Flag(OptionIndex.PtraceSandbox);
    internal bool SetproctitleEnable => Flag(OptionIndex.SetproctitleEnable);

    // What a session may do.
    internal bool WriteEnable => Flag(OptionIndex.WriteEnable);
    internal bool AnonUploadEnable => Flag(OptionIndex.AnonUploadEnable);
    internal bool AnonMkdirWriteEnable => Flag(OptionIndex.AnonMkdirWriteEnable);
    internal bool AnonOtherWriteEnable => Flag(OptionIndex.AnonOtherWriteEnable);
    internal bool AnonWorldReadableOnly => Flag(OptionIndex.AnonWorldReadableOnly);
    internal bool DownloadEnable => Flag(OptionIndex.DownloadEnable);
    internal bool DirlistEnable => Flag(OptionIndex.DirlistEnable);
    internal bool ChmodEnable => Flag(OptionIndex.ChmodEnable);
    internal bool MdtmWrite => Flag(OptionIndex.MdtmWrite);
    internal bool TildeUserEnable => Flag(OptionIndex.TildeUserEnable);
    internal int AnonUmask => (int)Number(OptionIndex.AnonUmask);
    internal int LocalUmask => (int)Number(OptionIndex.LocalUmask);
    internal int FileOpenMode => (int)Number(OptionIndex.FileOpenMode);
    /// <summary>True if there are clients whose uploads get another owner.</summary>
    internal bool GivesUploadsAway => ChownUploads && (AnonymousEnable || GuestEnable);

    internal bool ChownUploads => Flag(OptionIndex.ChownUploads);
    internal byte[] ChownUsername => Text(OptionIndex.ChownUsername);
    internal int ChownUploadMode => (int)Number(OptionIndex.ChownUploadMode);
    internal bool LockUploadFiles => Flag(OptionIndex.LockUploadFiles);
    internal bool DeleteFailedUploads => Flag(OptionIndex.DeleteFailedUploads);
    internal bool BetterStou => Flag(OptionIndex.BetterStou);
    internal byte[] HideFile => Text(OptionIndex.HideFile);
    internal byte[] DenyFile => Text(OptionIndex.DenyFile);
    internal byte[] CmdsAllowed => Text(OptionIndex.CmdsAllowed);
    internal byte[] CmdsDenied => Text(OptionIndex.CmdsDenied);

    // Listings and messages.
    internal byte[] FtpdBanner => Text(OptionIndex.FtpdBanner);
    internal byte[] BannerFile => Text(OptionIndex.BannerFile);
    internal bool DirmessageEnable => Flag(OptionIndex.DirmessageEnable);
    internal byte[] MessageFile => Text(OptionIndex.MessageFile);
    internal bool HideIds => Flag(OptionIndex.HideIds);
    internal bool TextUserdbNames => Flag(OptionIndex.TextUserdbNames);
    internal bool UseLocaltime => Flag(OptionIndex.UseLocaltime);
    internal bool ForceDotFiles => Flag(OptionIndex.ForceDotFiles);
    internal bool LsRecurseEnable => Flag(OptionIndex.LsRecurseEnable);

    // Transfers.
    internal bool AsciiUploadEnable => Flag(OptionIndex.AsciiUploadEnable);
    internal bool AsciiDownloadEnable => Flag(OptionIndex.AsciiDownloadEnable);
    internal bool AsyncAborEnable => Flag(OptionIndex.AsyncAborEnable);
    internal bool UseSendfile => Flag(OptionIndex.UseSendfile);
    internal int TransChunkSize => (int)Number(OptionIndex.TransChunkSize);
    internal uint AnonMaxRate => (uint)Number(OptionIndex.AnonMaxRate);
    internal uint LocalMaxRate => (uint)Number(OptionIndex.LocalMaxRate);

    // The network.
    internal bool Listen => Flag(OptionIndex.Listen);
    internal bool ListenIpv6 => Flag(OptionIndex.ListenIpv6);
    internal byte[] ListenAddress => Text(OptionIndex.ListenAddress);
    internal byte[] ListenAddress6 => Text(OptionIndex.ListenAddress6);
    internal int ListenPort => (int)Number(OptionIndex.ListenPort);
    internal bool Background => Flag(OptionIndex.Background);
    internal int MaxClients => (int)Number(OptionIndex.MaxClients);
    internal int MaxPerIp => (int)Number(OptionIndex.MaxPerIp);
    internal bool TcpWrappers => Flag(OptionIndex.TcpWrappers);
    internal bool PortEnable => Flag(OptionIndex.PortEnable);
    internal bool PasvEnable => Flag(OptionIndex.PasvEnable);
    internal bool PortPromiscuous => Flag(OptionIndex.PortPromiscuous);
    internal bool PasvPromiscuous => Flag(OptionIndex.PasvPromiscuous);
    internal int PasvMinPort => (int)Number(OptionIndex.PasvMinPort);
    internal int PasvMaxPort => (int)Number(OptionIndex.PasvMaxPort);
    internal byte[] PasvAddress => Text(OptionIndex.PasvAddress);
    internal bool PasvAddrResolve => Flag(OptionIndex.PasvAddrResolve);
    internal bool ConnectFromPort20 => Flag(OptionIndex.ConnectFromPort20);
    internal int FtpDataPort => (int)Number(OptionIndex.FtpDataPort);
    internal int AcceptTimeout => (int)Number(OptionIndex.AcceptTimeout);
    internal int ConnectTimeout => (int)Number(OptionIndex.ConnectTimeout);
    internal int DataConnectionTimeout => (int)Number(OptionIndex.DataConnectionTimeout);
    internal int IdleSessionTimeout => (int)Number(OptionIndex.IdleSessionTimeout);
    internal int BindRetries => (int)Number(OptionIndex.BindRetries);

    // TLS.
    internal bool SslEnable => Flag(OptionIndex.SslEnable);
    internal bool ImplicitSsl => Flag(OptionIndex.ImplicitSsl);
    internal bool AllowAnonSsl => Flag(OptionIndex.AllowAnonSsl);
    internal bool ForceLocalLoginsSsl => Flag(OptionIndex.ForceLocalLoginsSsl);
    internal bool ForceLocalDataSsl => Flag(OptionIndex.ForceLocalDataSsl);
    internal bool ForceAnonLoginsSsl => Flag(OptionIndex.ForceAnonLoginsSsl);
    internal bool ForceAnonDataSsl => Flag(OptionIndex.ForceAnonDataSsl);
    internal bool SslSslv2 => Flag(OptionIndex.SslSslv2);
    internal bool SslSslv3 => Flag(OptionIndex.SslSslv3);
    internal bool SslTlsv1 => Flag(OptionIndex.SslTlsv1);
    internal bool SslTlsv11 => Flag(OptionIndex.SslTlsv11);
    internal bool SslTlsv12 => Flag(OptionIndex.SslTlsv12);
    internal bool SslTlsv13 => Flag(OptionIndex.SslTlsv13);
    internal byte[] SslCiphers => Text(OptionIndex.SslCiphers);
    internal byte[] SslCiphersuites => Text(OptionIndex.SslCiphersuites);
    internal byte[] RsaCertFile => Text(OptionIndex.RsaCertFile);
    internal byte[] RsaPrivateKeyFile => Text(OptionIndex.RsaPrivateKeyFile);
    internal byte[] DsaCertFile => Text(OptionIndex.DsaCertFile);
    internal byte[] DsaPrivateKeyFile => Text(OptionIndex.DsaPrivateKeyFile);
    internal byte[] DhParamFile => Text(OptionIndex.DhParamFile);
    internal byte[] EcdhParamFile => Text(OptionIndex.EcdhParamFile);
    internal byte[] CaCertsFile => Text(OptionIndex.CaCertsFile);
    internal bool SslRequestCert => Flag(OptionIndex.SslRequestCert);
    internal bool RequireCert => Flag(OptionIndex.RequireCert);
    internal bool ValidateCert => Flag(OptionIndex.ValidateCert);
    internal bool RequireSslReuse => Flag(OptionIndex.RequireSslReuse);
    internal bool StrictSslReadEof => Flag(OptionIndex.StrictSslReadEof);
    internal bool StrictSslWriteShutdown => Flag(OptionIndex.StrictSslWriteShutdown);
    internal byte[] SslSniHostname => Text(OptionIndex.SslSniHostname);
    internal bool DebugSsl => Flag(OptionIndex.DebugSsl);

    // Logging.
    internal bool XferlogEnable => Flag(OptionIndex.XferlogEnable);
    internal bool XferlogStdFormat => Flag(OptionIndex.XferlogStdFormat);
    internal bool DualLogEnable => Flag(OptionIndex.DualLogEnable);
    internal byte[] XferlogFile => Text(OptionIndex.XferlogFile);
    internal byte[] VsftpdLogFile => Text(OptionIndex.VsftpdLogFile);
    internal bool SyslogEnable => Flag(OptionIndex.SyslogEnable);
    internal bool LogFtpProtocol => Flag(OptionIndex.LogFtpProtocol);
    internal bool NoLogLock => Flag(OptionIndex.NoLogLock);
    internal bool LogDie => Flag(OptionIndex.LogDie);
    internal bool WcLogsEnable => Flag(OptionIndex.WcLogsEnable);

    // Rest.
    internal bool FtpEnable => Flag(OptionIndex.FtpEnable);
    internal bool HttpEnable => Flag(OptionIndex.HttpEnable);

    // aotftpd's own options.
    internal byte[] ServiceUser => Text(OptionIndex.ServiceUser);
    internal bool RequireIsolation => Flag(OptionIndex.RequireIsolation);
    internal int WorkersPerZygote => (int)Number(OptionIndex.WorkersPerZygote);
    internal int IdleWorkers => (int)Number(OptionIndex.IdleWorkers);
    internal int AuthWorkers => (int)Number(OptionIndex.AuthWorkers);
    internal byte[] PamCapabilities => Text(OptionIndex.PamCapabilities);
    internal byte[] ControlSocket => Text(OptionIndex.ControlSocket);
    internal long HashMaxBytes => Number(OptionIndex.HashMaxBytes);
    internal byte[] LegacyCharset => Text(OptionIndex.LegacyCharset);
    internal bool ModeZEnable => Flag(OptionIndex.ModeZEnable);
    internal byte[] VirtualHosts => Text(OptionIndex.VirtualHosts);
    internal bool SymlinkEnable => Flag(OptionIndex.SymlinkEnable);
    internal bool SiteWhoEnable => Flag(OptionIndex.SiteWhoEnable);
    internal int MinUid => (int)Number(OptionIndex.MinUid);
    internal bool PerSourcePenalties => Flag(OptionIndex.PerSourcePenalties);
    internal int PerSourcePenaltyCrash => (int)Number(OptionIndex.PerSourcePenaltyCrash);
    internal int PerSourcePenaltyFrames => (int)Number(OptionIndex.PerSourcePenaltyFrames);
    internal int PerSourcePenaltyLoginFailure => (int)Number(OptionIndex.PerSourcePenaltyLoginFailure);
    internal int PerSourcePenaltyLoginTimeout => (int)Number(OptionIndex.PerSourcePenaltyLoginTimeout);
    internal int PerSourcePenaltyNoLogin => (int)Number(OptionIndex.PerSourcePenaltyNoLogin);
    internal int PerSourcePenaltyMin => (int)Number(OptionIndex.PerSourcePenaltyMin);
    internal int PerSourcePenaltyMax => (int)Number(OptionIndex.PerSourcePenaltyMax);
    internal byte[] PerSourcePenaltiesExempt => Text(OptionIndex.PerSourcePenaltiesExempt);
    internal int MaxPreloginClients => (int)Number(OptionIndex.MaxPreloginClients);
    internal int PreloginShedStart => (int)Number(OptionIndex.PreloginShedStart);
    internal int PreloginShedRate => (int)Number(OptionIndex.PreloginShedRate);

    /// <summary>The lowest passive port, as vsftpd counts it: 1024 to 65535.</summary>
    internal int PassivePortLow => PasvMinPort > 1024 ? PasvMinPort : 1024;

    /// <summary>The highest passive port, as vsftpd counts it: <see cref="PassivePortLow"/> to 65535.</summary>
    internal int PassivePortHigh => PasvMaxPort >= PassivePortLow ? PasvMaxPort : 65535;

    /// <summary>The value of a Bool.</summary>
    internal bool Flag(int option) => _numbers[option] != 0;

    /// <summary>The value of a Number, or 0 or 1 for a Bool.</summary>
    internal long Number(int option) => _numbers[option];

    /// <summary>The value of a String; empty is unset.</summary>
    internal byte[] Text(int option) => _texts[option];

    /// <summary>Whether an option has its built-in value.</summary>
    internal bool IsDefault(int option)
    {
        ref readonly OptionRow row = ref OptionTable.Rows[option];
        return _numbers[option] == row.DefaultNumber && _texts[option].AsSpan().SequenceEqual(row.DefaultText);
    }

    /// <summary>The value of an option as a configuration file would write it.</summary>
    internal string Display(int option) => OptionTable.Rows[option].Display(_numbers[option], _texts[option]);

    /// <summary>Whether every value is the same.</summary>
    internal bool SameAs(Settings other)
    {
        for (int i = 0; i < OptionIndex.Count; i++)
        {
            if (_numbers[i] != other._numbers[i] || !_texts[i].AsSpan().SequenceEqual(other._texts[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>These settings with one Number, or Bool as 0 or 1, changed.</summary>
    internal Settings With(int option, long value) => new SettingsBuilder(this).Set(option, value).Build();

    /// <summary>These settings with one Bool changed.</summary>
    internal Settings With(int option, bool value) => With(option, value ? 1L : 0L);

    /// <summary>These settings with one String changed.</summary>
    internal Settings With(int option, byte[] value) => new SettingsBuilder(this).Set(option, value).Build();

    /// <summary>A copy of the numbers, for a builder.</summary>
    internal long[] CopyNumbers() => (long[])_numbers.Clone();

    /// <summary>A copy of the array of strings, for a builder; the strings themselves are shared.</summary>
    internal byte[][] CopyTexts() => (byte[][])_texts.Clone();

    private static Settings MakeDefaults()
    {
        OptionRow[] rows = OptionTable.Rows;
        long[] numbers = new long[rows.Length];
        byte[][] texts = new byte[rows.Length][];
        for (int i = 0; i < rows.Length; i++)
        {
            numbers[i] = rows[i].DefaultNumber;
            texts[i] = rows[i].DefaultText.IsEmpty ? [] : rows[i].DefaultText.ToArray();
        }

        return new Settings(numbers, texts);
    }
}

/// <summary>Settings in the making.</summary>
internal sealed class SettingsBuilder
{
    private readonly long[] _numbers;
    private readonly byte[][] _texts;

    /// <summary>Begins with the values of <paramref name="from"/>.</summary>
    internal SettingsBuilder(Settings from)
    {
        _numbers = from.CopyNumbers();
        _texts = from.CopyTexts();
    }

    /// <summary>Sets a Number, or a Bool as 0 or 1.</summary>
    internal SettingsBuilder Set(int option, long value)
    {
        _numbers[option] = value;
        return this;
    }

    /// <summary>Sets a String.</summary>
    internal SettingsBuilder Set(int option, byte[] value)
    {
        _texts[option] = value;
        return this;
    }

    /// <summary>The value so far of a Bool or Number.</summary>
    internal long Number(int option) => _numbers[option];

    /// <summary>The settings; the builder must not be used after it.</summary>
    internal Settings Build() => new(_numbers, _texts);
}

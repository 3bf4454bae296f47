// The option table by itself: complete, ordered, and in step with OptionIndex and Settings.
using System;
using System.Linq;
using System.Reflection;
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

public class OptionTableTests
{
    [Fact]
    public void All_options_of_vsftpd_and_Fedora_are_there()
    {
        Assert.Equal(145, OptionTable.FirstOwn);
        Assert.Equal(OptionIndex.Count, OptionTable.Rows.Length);
        Assert.Equal(OptionIndex.Count, OptionTable.Rows.Select(row => row.Name).Distinct().Count());
    }

    [Fact]
    public void Every_row_has_its_constant_and_its_property()
    {
        for (int i = 0; i < OptionTable.Rows.Length; i++)
        {
            string name = string.Concat(OptionTable.Rows[i].Name.Split('_').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
            FieldInfo? constant = typeof(OptionIndex).GetField(name, BindingFlags.Static | BindingFlags.NonPublic);
            Assert.NotNull(constant);
            Assert.Equal(i, constant.GetRawConstantValue());

            PropertyInfo? property = typeof(Settings).GetProperty(name, BindingFlags.Instance | BindingFlags.NonPublic);
            Assert.NotNull(property);
            Settings changed = OptionTable.Rows[i].Type == OptionType.String
                ? Settings.Defaults.With(i, [1, 2, 3])
                : Settings.Defaults.With(i, OptionTable.Rows[i].DefaultNumber == 0 ? 1L : 0L);
            Assert.NotEqual(property.GetValue(Settings.Defaults), property.GetValue(changed));
            switch (OptionTable.Rows[i].Type)
            {
                case OptionType.Bool:
                    Assert.Equal(typeof(bool), property.PropertyType);
                    Assert.Equal(OptionTable.Rows[i].DefaultNumber != 0, property.GetValue(Settings.Defaults));
                    break;
                case OptionType.Number:
                    Assert.Equal(OptionTable.Rows[i].DefaultNumber, Convert.ToInt64(property.GetValue(Settings.Defaults)));
                    break;
                default:
                    Assert.Equal(OptionTable.Rows[i].DefaultText.ToArray(), property.GetValue(Settings.Defaults));
                    break;
            }
        }
    }

    [Fact]
    public void Every_row_is_sound()
    {
        foreach (OptionRow row in OptionTable.Rows)
        {
            Assert.Matches("^[a-z0-9_]+$", row.Name);
            Assert.True(row.ManText.Length > 5 && row.ManText.EndsWith('.'), row.Name);
            Assert.True(row.Status == OptionStatus.Active == (row.Reason.Length == 0), row.Name);
            Assert.True(row.Roles.HasFlag(RoleMask.Listener | RoleMask.Start), row.Name);
            Assert.True(row.Type == OptionType.String || (row.DefaultNumber >= row.Min && row.DefaultNumber <= row.Max), row.Name);
            Assert.True(row.Scope != OptionScope.Part || row.Type == OptionType.Bool, row.Name);
        }
    }

    [Fact]
    public void Auth_is_told_whatever_per_user_option_the_session_is_told()
    {
        foreach (OptionRow row in OptionTable.Rows.Where(row => row.Scope != OptionScope.No && row.Roles.HasFlag(RoleMask.Session)))
        {
            Assert.True(row.Roles.HasFlag(RoleMask.Auth), row.Name);
        }
    }

    [Fact]
    public void Every_default_can_be_written_in_a_file()
    {
        StringBuilder file = new();
        foreach (OptionRow row in OptionTable.Rows)
        {
            file.Append(row.Name).Append('=').Append(row.DefaultDisplay).Append('\n');
        }

        ConfResult result = Conf.Parse(file.ToString());
        Assert.Empty(result.Errors);
        Assert.Empty(result.Warnings);
        Assert.Empty(result.Notes);
        Assert.True(result.Settings!.SameAs(Settings.Defaults));
    }

    [Fact]
    public void Names_and_second_spellings_are_found()
    {
        Assert.Equal(OptionIndex.Listen, OptionTable.Find("listen"));
        Assert.Equal(OptionIndex.SslTlsv13, OptionTable.Find("ssl_tlsv13"));
        Assert.Equal(OptionIndex.SslTlsv13, OptionTable.Find("ssl_tlsv1_3"));
        Assert.Equal(-1, OptionTable.Find("LISTEN"));
        Assert.Equal(-1, OptionTable.Find(""));
    }

    [Theory]
    [InlineData("LISTEN", "listen")]
    [InlineData("anon_uploads_enable", "anon_upload_enable")]
    [InlineData("local_unmask", "local_umask")]
    [InlineData("lisetn", "listen")]
    [InlineData("service_users", "service_user")]
    [InlineData("", null)]
    [InlineData("qqqqqqqqqqqq", null)]
    public void Nearest_name(string typed, string? expected) => Assert.Equal(expected, OptionTable.Nearest(typed));
}
